import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { bucketsOf } from '../../../api/download/buckets.js';
import { Replica } from '../../support/agent/replica.js';
import { ADMIN, Seaweed } from '../../support/agent/seaweed.js';
import { treeOf } from '../../support/untar.js';
import { desired } from '../../unit/api/fixtures.js';
import { eventually, KEY, TestApi } from './support.js';

const run = promisify(execFile);
const MIB = 1024 * 1024;

/** As an operator does it: curl and tar, the API and an S3 server in between. */
describe('the files of a workspace, with curl and tar', function () {
  this.timeout(120_000);
  const weed = new Seaweed();
  let base: string;
  let api: TestApi;

  before(async () => {
    await weed.start();
    base = fs.mkdtempSync(path.join(tmpdir(), 'berth-files-'));
    fs.mkdirSync(path.join(base, 'secrets'));
    const keys = `AWS_ACCESS_KEY_ID=${ADMIN.accessKeyId}\nAWS_SECRET_ACCESS_KEY=${ADMIN.secretAccessKey}\n`;
    fs.writeFileSync(path.join(base, 'secrets/s3.env'), keys);
    const buckets = bucketsOf({
      BERTH_STATE_DIR: base,
      BERTH_S3_ENDPOINT: '',
      BERTH_S3_BUNDLED_ENDPOINT: weed.endpoint,
      BERTH_S3_REGION: 'us-east-1',
    });
    api = await TestApi.start({ buckets });
    for (const [id, bucket, prefix] of [
      ['one', 'files', 'team/one'],
      ['none', 'nowhere', ''],
    ] as const)
      await api.records.desired.write(id, desired(id, { spec: { bucket, prefix } }));
  });
  after(async () => {
    await api.stop();
    await weed.stop();
    fs.rmSync(base, { recursive: true, force: true });
  });

  const curl = (id: string, ...options: string[]) => [
    ...['--silent', '--show-error', '--fail-with-body', '--header', `Authorization: Bearer ${KEY}`],
    ...[...options, `${api.url}/api/containers/${id}/files.tar`],
  ];

  it('are byte for byte what the workspace had, with modes, times, links and awkward names', async () => {
    const s3 = weed.client('files');
    await s3.createBucket();
    const one = await new Replica(s3, { prefix: 'team/one' }).start();
    const names = [
      'sp ace',
      'ünï',
      '日本語'.repeat(20),
      'a\\b',
      'new\nline',
      '.hidden',
      'a%41',
      '+&=?#',
      '-rf',
    ];
    for (const name of names) fs.writeFileSync(one.at(name), name);
    fs.mkdirSync(one.at('d'.repeat(200), 'e'.repeat(200)), { recursive: true });
    fs.writeFileSync(one.at('d'.repeat(200), 'e'.repeat(200), 'n'.repeat(200)), 'deep');
    fs.writeFileSync(one.at('run.sh'), '#!/bin/sh', { mode: 0o755 });
    fs.utimesSync(one.at('run.sh'), 1_600_000_000, 1_600_000_000.25);
    fs.symlinkSync('../../etc/passwd', one.at('link'));
    fs.symlinkSync(`${'ü'.repeat(100)}/${'t'.repeat(100)}`, one.at('far'));
    fs.mkdirSync(one.at('private'), { mode: 0o700 });
    fs.mkdirSync(one.at('empty/deep'), { recursive: true });
    fs.writeFileSync(one.at('nothing'), '');
    fs.writeFileSync(one.at('large'), randomBytes(40 * MIB));
    for (let i = 0; i < 1200; i++) fs.writeFileSync(one.at(`private/f${i}`), randomBytes(i));
    const { exitCode } = await one.engine.final(AbortSignal.timeout(60_000));
    expect(exitCode).to.equal(0);

    const unpacked = path.join(base, 'unpacked');
    fs.mkdirSync(unpacked);
    const archive = path.join(base, 'one.tar');
    await run('curl', curl('one', '--output', archive));
    const { stderr } = await run('tar', ['-xpf', archive, '-C', unpacked]);
    expect(stderr).to.equal('');
    const found = treeOf(unpacked);
    expect(found).to.deep.equal(treeOf(one.root));
    expect(Object.keys(found)).to.have.length.above(1200);
    one.dispose();
    s3.close();
  });

  it('say why they cannot be had', async () => {
    const refused = await run('curl', curl('none')).catch((error: { code: number; stdout: string }) => error);
    expect(refused).to.include({ code: 22 });
    expect(JSON.parse(refused.stdout)).to.include({ status: 502, code: 'BERTH_S3_REFUSED' });
  });

  it('end with an error when the server dies in the middle', async () => {
    const archive = path.join(base, 'broken.tar');
    const download = run('curl', curl('one', '--limit-rate', '4M', '--output', archive)).then(
      () => 0,
      ({ code }: { code: number }) => code,
    );
    await eventually(() => fs.existsSync(archive) && fs.statSync(archive).size > MIB, 'a download under way');
    await weed.kill();
    const PARTIAL_FILE = 18;
    expect(await download).to.equal(PARTIAL_FILE);
    const away = await run('curl', curl('one')).catch((error: { code: number; stdout: string }) => error);
    expect(JSON.parse(away.stdout)).to.include({ status: 503, code: 'BERTH_S3_UNAVAILABLE' });
  });
});
