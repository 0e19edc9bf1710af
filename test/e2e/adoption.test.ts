import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { Berth, Bucket } from '../support/berth.js';
import { eventually } from '../support/swarm.js';

const run = promisify(execFile);
const COUNT = 5;

describe('State that is lost under running workspaces', function () {
  this.timeout(300_000);
  const berth = new Berth();
  const bucket = new Bucket(berth, `lost-${randomBytes(4).toString('hex')}`);
  const ids = Array.from({ length: COUNT }, () => `lost-${randomBytes(3).toString('hex')}`);
  let containers: string[] = [];

  before(async () => {
    await Promise.all(ids.map((name) => berth.start({ bucketId: bucket.name, prefix: name, name })));
    containers = await Promise.all(ids.map((id) => berth.containerOf(id)));
    await Promise.all(ids.map((id) => berth.shell(id, 'echo before > /workspace/note')));
  });
  after(async () => {
    await berth.removeQuietly(ids);
    bucket.close();
    berth.close();
  });

  const remove = (...folders: string[]) =>
    Promise.all(folders.map((name) => rm(path.join(berth.stateDir, name), { recursive: true, force: true })));
  /** The API may be away for a moment. */
  const statusOf = (id: string) =>
    berth.view(id).then(
      ({ status }) => status,
      () => 'no answer',
    );
  const allRun = async () => (await Promise.all(ids.map(statusOf))).every((status) => status === 'running');
  const declarations = () =>
    Promise.all(
      ids.map((id) => readFile(path.join(berth.stateDir, 'desired', `${id}.yaml`), 'utf8').catch(() => '')),
    );

  async function checkAdopted(): Promise<void> {
    await eventually('declarations are back', async () =>
      (await declarations()).every((text) => text.includes('kind: Workspace')),
    );
    await eventually('all run, says the API', allRun, 120_000);
    const now = await Promise.all(ids.map((id) => berth.containerOf(id)));
    expect(now, 'none was restarted').to.deep.equal(containers);
    for (const id of ids)
      expect((await berth.request('GET', (await berth.view(id)).urls.code)).status).to.equal(200);
  }

  it('declarations, records and reports: all workspaces are adopted, none is restarted', async () => {
    await remove('desired', 'observed', 'reports');
    await checkAdopted();
    const { containerId } = (await berth.view(ids[0] ?? '')) as { containerId: string };
    await berth.shell(containerId, 'echo after > /workspace/note');
    await eventually(
      'reports come again',
      async () => (await berth.view(containerId)).sync?.pendingFiles === 0,
      120_000,
    );
  });

  it('declarations alone: none is taken for removed', async () => {
    await remove('desired');
    await checkAdopted();
  });

  it('one declaration: that workspace ends, in order', async () => {
    const [last = ''] = ids.splice(-1);
    containers.splice(-1);
    await rm(path.join(berth.stateDir, 'desired', `${last}.yaml`));
    await eventually('its end', async () => (await berth.leftOvers(last)).length === 0, 120_000);
    expect(await bucket.get(`${last}/note`)).to.equal('before\n');
    await checkAdopted();
  });

  it('a second controller refuses to run beside the first', async () => {
    const { stdout } = await run('docker', [
      ...['ps', '--quiet', '--filter', `label=com.docker.swarm.service.name=${berth.stack}_controller`],
    ]);
    const container = stdout.trim();
    const outcome = await run('docker', ['exec', container, 'node', '/app/controller.mjs']).then(
      () => 'it ran',
      (error: { stdout?: string; stderr?: string; code?: number }) =>
        `${error.code ?? ''} ${error.stdout ?? ''}${error.stderr ?? ''}`,
    );
    expect(outcome).to.match(/^1 /).and.to.contain('another controller works on this state folder');
    await checkAdopted();
  });
});
