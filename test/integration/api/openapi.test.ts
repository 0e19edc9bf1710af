import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { Seaweed } from '../../support/agent/seaweed.js';
import { schemathesis } from '../../support/schemathesis.js';
import { desired } from '../../unit/api/fixtures.js';
import { KEY, system, TestApi } from './support.js';

const run = promisify(execFile);
const EXAMPLES = Number(process.env['BERTH_API_EXAMPLES'] ?? 60);

/** What is written in docs/api.md, for programs. */
describe('The description of the API', function () {
  this.timeout(3_600_000);
  const weed = new Seaweed();
  let api: TestApi;
  let folder: string;

  const buckets = async (bucket: string) => {
    const s3 = weed.client(bucket);
    await s3.createBucket();
    return { s3, close: () => s3.close() };
  };

  before(async () => {
    await weed.start();
    folder = await mkdtemp(path.join(tmpdir(), 'berth-openapi-'));
    // Calls that wait are answered with what there is: nobody makes anything of the declarations here.
    api = await TestApi.start({ stopping: AbortSignal.abort(), buckets });
    // A host that is never full: that answer is a 503, rightly.
    await api.records.system.write(system({ admission: { limitPercent: 90, freeBytes: 2 ** 53 } }));
    await api.records.desired.write('ada', desired('ada'));
  });
  after(async () => {
    await api.stop();
    await weed.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it('is an OpenAPI document that needs no key', async () => {
    const { status, body } = await api.call('GET', '/openapi.json', { authorization: null });
    expect(status).to.equal(200);
    expect(body['openapi']).to.match(/^3\.1\./);
    expect(Object.keys(body['paths'] as object)).to.include('/api/containers/{id}');
  });

  it(`holds for what Schemathesis makes of it (${EXAMPLES} examples a call)`, async () => {
    const program = schemathesis();
    const args = ['--config-file', path.resolve('test/integration/api/schemathesis.toml')];
    const call = ['run', `${api.url}/openapi.json`, '--url', api.url];
    const options = ['-H', `Authorization: Bearer ${KEY}`, '--max-examples', String(EXAMPLES), '--no-color'];
    const outcome = await run(program, [...args, ...call, ...options], {
      cwd: folder,
      maxBuffer: 2 ** 27,
    }).catch((error: { stdout: string; stderr: string }) => error);
    const report = outcome.stdout + outcome.stderr;
    console.log(`      ${/\d+ generated.*/.exec(report)?.[0] ?? 'nothing was generated'}`);
    if (!/\d+ generated, \d+ passed/.test(report)) throw new Error(report);
  });
});
