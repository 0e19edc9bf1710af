import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import type { S3Client } from '../../../shared/s3/client.js';
import { Replica } from '../../support/agent/replica.js';
import { Seaweed } from '../../support/agent/seaweed.js';
import { eventually } from '../../support/swarm.js';

const MIB = 1024 * 1024;

describe('agent: a bucket that stops to work under it', function () {
  this.timeout(120_000);
  const weed = new Seaweed();
  let clients: S3Client[];
  let replicas: Replica[];

  before(() => weed.start());
  after(() => weed.stop());
  beforeEach(() => {
    clients = [];
    replicas = [];
  });
  afterEach(() => {
    for (const client of clients) client.close();
    for (const replica of replicas) replica.dispose();
  });

  const client = (...args: Parameters<Seaweed['client']>) => {
    const made = weed.client(...args);
    clients.push(made);
    return made;
  };
  const workspace = (s3: S3Client, prefix: string) => {
    const made = new Replica(s3, { prefix });
    replicas.push(made);
    return made;
  };
  /** A user of the S3 server, whose keys and rights can change while it runs. */
  const configure = (options: string) => weed.shell(`s3.configure -user=tenant ${options} -apply`);
  const KEYS = { accessKeyId: 'tenant-key', secretAccessKey: 'tenant-secret' };
  const keysAre = (keys: typeof KEYS) =>
    configure(`-access_key=${keys.accessKeyId} -secret_key=${keys.secretAccessKey} -actions=Read,Write,List`);
  beforeEach(() => {
    keysAre(KEYS);
  });

  /** The bucket refuses: that is told at once, the files stay, and after a mend all of them get there. */
  async function expectRefusal(one: Replica, code: string, mend: () => unknown): Promise<void> {
    for (let i = 0; i < 50; i++) fs.writeFileSync(one.at(`while-${i}`), `work goes on ${i}`);
    fs.rmSync(one.at('before'));
    await one.engine.cycle();
    expect(one.engine.status()).to.include({ pendingFiles: 50 });
    expect(one.engine.status().error).to.contain(code);
    const { exitCode, finalSync } = await one.engine.final(AbortSignal.timeout(60_000));
    expect([exitCode, finalSync.ok, finalSync.failed]).to.deep.equal([76, false, 50]);
    expect(Object.keys(one.tree())).to.have.lengthOf(50);
    await mend();
    await one.start();
    const last = await one.engine.final(AbortSignal.timeout(60_000));
    expect([last.exitCode, last.finalSync.files]).to.deep.equal([0, 50]);
    const fresh = await workspace(one.s3 as S3Client, 'p').start();
    expect(fresh.tree()).to.deep.equal(one.tree());
  }

  async function workedIn(bucket: string): Promise<Replica> {
    await client(bucket).createBucket();
    const one = await workspace(client(bucket, KEYS), 'p').start();
    fs.writeFileSync(one.at('before'), 'x');
    await one.engine.cycle();
    expect(one.engine.status()).to.include({ files: 1, error: null });
    return one;
  }

  it('may not be written any more, and may again', async () => {
    const one = await workedIn('forbidden');
    configure('-actions=Write -delete');
    await expectRefusal(one, 'AccessDenied', () => keysAre(KEYS));
  });

  it('has other keys, which a new agent gets', async () => {
    const one = await workedIn('rotated');
    const rotated = { accessKeyId: 'new-key', secretAccessKey: 'new-secret' };
    configure(`-access_key=${KEYS.accessKeyId} -delete`);
    await expectRefusal(one, 'InvalidAccessKeyId', () => {
      keysAre(rotated);
      one.s3 = client('rotated', rotated);
    });
    configure(`-access_key=${rotated.accessKeyId} -delete`);
  });

  it('was deleted, and is made again', async () => {
    const one = await workedIn('deleted');
    weed.shell('s3.bucket.delete -name=deleted');
    // What this server says of a missing bucket to those who may not make one.
    await expectRefusal(one, 'AccessDenied', () => client('deleted').createBucket());
  });

  it('has reached its quota: what cannot be sent waits, until it is raised', async () => {
    const s3 = client('narrow');
    await s3.createBucket();
    const one = await workspace(s3, 'p').start();
    fs.writeFileSync(one.at('big'), randomBytes(3 * MIB));
    await one.engine.cycle();
    weed.shell('s3.bucket.quota -name=narrow -op=set -sizeMB=1');
    await eventually('the server has counted the bytes', async () =>
      weed.shell('s3.bucket.quota.enforce -apply').includes('read only'),
    );
    fs.writeFileSync(one.at('more'), 'waits');
    await eventually('refused', async () => {
      fs.writeFileSync(one.at('more'), `waits ${Date.now()}`);
      await one.engine.cycle();
      return one.engine.status().error !== null;
    });
    expect(one.engine.status()).to.include({ pendingFiles: 1 });
    weed.shell('s3.bucket.quota -name=narrow -op=remove');
    weed.shell('s3.bucket.quota.enforce -apply');
    const { exitCode } = await one.engine.final(AbortSignal.timeout(60_000));
    expect(exitCode).to.equal(0);
  });

  it('is judged by a clock that is an hour off', async () => {
    const s3 = client('clock');
    await s3.createBucket();
    const script = `
      const { S3Client } = await import('./shared/s3/client.ts');
      const now = Date.now;
      globalThis.Date = class extends Date {
        constructor(...args) { if (args.length === 0) super(now() - 3_600_000); else super(...args); }
        static now() { return now() - 3_600_000; }
      };
      const s3 = new S3Client(${JSON.stringify({
        ...{ bucket: 'clock', region: 'us-east-1', endpoint: weed.endpoint },
        ...{ accessKeyId: 'admin', secretAccessKey: 'admin-secret' },
      })});
      await s3.put('late', Buffer.from('x'), {}, { kind: 'absent' }).then(
        () => console.log('taken'),
        (error) => console.log(error.kind, error.s3Code, error.transient, error.message),
      );
      s3.close();`;
    const args = ['--import', 'tsx', '--input-type=module', '--eval', script];
    const told = execFileSync(process.execPath, args, { encoding: 'utf8' });
    expect(told).to.match(/^server RequestTimeTooSkewed true .*clocks/);
  });

  it('holds more than the disk: the restore says so, and goes on once there is room', async function () {
    if (process.getuid?.() !== 0) this.skip(); // only root may mount
    const s3 = client('wide');
    await s3.createBucket();
    for (let i = 0; i < 6; i++)
      await s3.put(`f${i}`, Buffer.from(`${i}`.repeat(MIB)), {}, { kind: 'absent' });
    const disk = mkdtempSync(path.join(tmpdir(), 'berth-disk-'));
    const mount = (options: string) => execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', disk]);
    mount('size=3m');
    try {
      const one = workspace(s3, '');
      fs.mkdirSync(path.dirname(one.root), { recursive: true });
      fs.symlinkSync(disk, one.root);
      const error: NodeJS.ErrnoException = await one.start().then(
        () => expect.fail('was not refused'),
        (thrown: unknown) => thrown as NodeJS.ErrnoException,
      );
      expect(error.code).to.equal('ENOSPC');
      // Nothing of a broken-off restore may be taken for a deletion.
      const { exitCode } = await one.engine.final(AbortSignal.timeout(20_000));
      expect(exitCode).to.equal(0);
      mount('remount,size=16m');
      await one.start();
      expect(Object.values(one.tree()).map((text) => text.length)).to.deep.equal(Array(6).fill(MIB));
      let count = 0;
      for await (const page of s3.list('')) count += page.length;
      expect(count).to.equal(6);
    } finally {
      execFileSync('umount', [disk]);
      rmSync(disk, { recursive: true });
    }
  });
});
