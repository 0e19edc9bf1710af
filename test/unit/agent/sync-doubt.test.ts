import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import path from 'node:path';
import { expect } from 'chai';
import { Outage } from '../../../agent/sync/retry.js';
import { S3Error } from '../../../shared/s3/s3-error.js';
import { FakeS3, type Stored } from '../../fakes/s3.js';
import { KmsS3 } from '../../support/agent/odd-servers.js';
import { Replica } from '../../support/agent/replica.js';

const MINUTE = 60_000;
const MIB = 1024 * 1024;

describe('agent: where it is in doubt whose version is the later one, none is lost', () => {
  let s3: FakeS3;
  let replica: Replica;
  let aheadMs: number;

  async function started(server: FakeS3): Promise<void> {
    s3 = server;
    aheadMs = 0;
    const run = { workspaceId: 'ws', runId: 'r1', prefix: '' };
    replica = new Replica(s3, { run, now: () => Date.now() + aheadMs });
    await replica.start();
  }
  beforeEach(() => started(new FakeS3()));
  afterEach(() => replica.dispose());

  const write = (name: string, content: string) => fs.writeFileSync(replica.at(name), content);
  const final = async () => (await replica.engine.final(AbortSignal.timeout(5_000))).finalSync;
  const versions = () =>
    [...s3.objects]
      .filter(([key]) => !key.startsWith('.berth/'))
      .map(([, { body }]) => String(body.subarray(0, 20)))
      .sort();
  async function settle(): Promise<void> {
    aheadMs += MINUTE;
    await replica.engine.cycle();
  }
  /** Two versions were sent, and the server went back to the first. */
  async function rolledBack(change: (first: Stored) => Stored = (first) => first): Promise<void> {
    write('a', 'version 1');
    await settle();
    const first = { ...(s3.objects.get('a') as Stored) };
    write('a', 'version 2');
    await settle();
    await settle();
    s3.objects.set('a', change(first));
  }
  /** As the agent before it knew marks of keys wrote it. */
  function unmarked(stored: Stored): Stored {
    const metadata = Object.entries(stored.metadata).filter(([name]) => name !== 'berth-key');
    return { ...stored, metadata: Object.fromEntries(metadata) };
  }

  for (const [server, make, change] of [
    ['whose ETags are no MD5s', () => new KmsS3(), (stored: Stored) => stored],
    ['with objects of an older agent', () => new FakeS3(), unmarked],
  ] as const)
    describe(`on a server ${server}, which went back to an older version`, () => {
      beforeEach(async () => {
        replica.dispose();
        await started(make());
        await rolledBack(change);
      });

      it('before the last sync', async () => {
        expect(await final()).to.include({ ok: true });
        expect(versions()).to.include('version 2');
      });

      it('before a start', async () => {
        await replica.start();
        expect(await final()).to.include({ ok: true });
        expect(versions()).to.include('version 2');
      });

      it('before a pull', async () => {
        await replica.engine.pull();
        await settle();
        expect(await final()).to.include({ ok: true });
        expect(versions()).to.include('version 2');
      });
    });

  it('when the server went back to an older version before a pull', async () => {
    await rolledBack();
    await replica.engine.pull();
    await settle();
    expect(versions()).to.deep.equal(['version 1', 'version 2']);
    for (let n = 0; n < 3; n++) {
      await replica.engine.pull();
      await settle();
    }
    expect(versions(), 'once').to.have.lengthOf(2);
  });

  it('when a power cut took the newer one from the disk, and the state does not know of it', async () => {
    write('a', 'version 1');
    await replica.engine.cycle();
    const file = path.join(replica.stateDir, 'state.json');
    const state = JSON.parse(fs.readFileSync(file, 'utf8')) as { entries: unknown[][] };
    write('a', 'version 2, an hour of work');
    await settle();
    // The disk as it was; nobody can set a ctime, so the state is made to fit.
    write('a', 'version 1');
    const { mtimeNs, ctimeNs, ino } = fs.statSync(replica.at('a'), { bigint: true });
    const [row = []] = state.entries;
    row.splice(5, 3, String(mtimeNs), String(ctimeNs), String(ino));
    row[9] = Number(ctimeNs / 1_000_000n) + 500;
    fs.writeFileSync(file, JSON.stringify(state));
    await replica.start();
    expect(await final()).to.include({ ok: true });
    expect(versions()).to.deep.equal(['version 1', 'version 2, an hour o']);
  });

  for (const kind of ['changed', 'new'])
    it(`when a power cut left a ${kind} file empty, and the state does not know that it was sent`, async () => {
      write('other', 'o');
      if (kind === 'changed') write('a', 'a year of work');
      await settle();
      await settle();
      const file = path.join(replica.stateDir, 'state.json');
      const before = fs.readFileSync(file);
      write('a', 'a year and a day');
      const { atime, mtime } = fs.statSync(replica.at('a'));
      fs.utimesSync(replica.at('a'), atime, mtime);
      await settle();
      fs.truncateSync(replica.at('a'), 0);
      fs.utimesSync(replica.at('a'), atime, mtime);
      fs.writeFileSync(file, before);
      await replica.start();
      expect(await final()).to.include({ ok: true });
      expect(versions()).to.include('a year and a day');
    });

  it('when another tool has rewritten a large object, with our marks, before the last sync', async () => {
    fs.writeFileSync(replica.at('data'), Buffer.alloc(40 * MIB, 'A'));
    await settle();
    await settle();
    const { metadata } = s3.objects.get('data') as Stored;
    const id = await s3.startUpload('data', metadata);
    const parts = await Promise.all(
      [1, 2, 3, 4].map((number) => s3.putPart('data', id, number, Buffer.alloc(10 * MIB, 'B'))),
    );
    await s3.completeUpload('data', id, parts, { kind: 'none' });
    expect(await final()).to.include({ ok: true });
    expect(versions()).to.include('B'.repeat(20));
  });

  describe('and the old name stays until the new one is in the bucket', () => {
    beforeEach(async () => {
      write('thesis', 'a year of work');
      await settle();
      await settle();
    });

    it('when the bucket is full, and the file has grown', async () => {
      s3.fault = ({ method }) =>
        method === 'put' ? new S3Error('full', 'QuotaExceeded', 'full', 403) : null;
      fs.renameSync(replica.at('thesis'), replica.at('thesis-2'));
      fs.appendFileSync(replica.at('thesis-2'), ' and a day');
      await settle();
      expect(versions()).to.deep.equal(['a year of work']);
    });

    it('when the new one can never be', async () => {
      fs.renameSync(
        replica.at('thesis'),
        Buffer.concat([Buffer.from(replica.at('th')), Buffer.from([0xe9]), Buffer.from('se')]),
      );
      await settle();
      expect(versions()).to.deep.equal(['a year of work']);
    });
  });

  describe('and what goes wrong beside it holds nothing up', () => {
    it('an upload that cannot be aborted; it is, once it can', async () => {
      fs.closeSync(fs.openSync(replica.at('large'), 'w'));
      fs.truncateSync(replica.at('large'), 70 * MIB);
      let parts = 0;
      s3.fault = ({ method }) => ((method === 'putPart' && ++parts > 3) || parts > 3 ? 'dropBefore' : null);
      await replica.engine.cycle();
      expect(s3.uploads.size).to.equal(1);
      s3.fault = ({ method }) =>
        method === 'abortUpload' ? new S3Error('server', 'InternalError', 'no', 500) : null;
      await replica.start();
      await settle();
      expect(versions()).to.have.lengthOf(1);
      s3.fault = () => null;
      await replica.start();
      expect(s3.uploads.size).to.equal(0);
    });

    it('a disk that can be read and not written', async () => {
      const { fdatasync } = fs;
      const broken = (_fd: number, done: (error: NodeJS.ErrnoException) => void) =>
        done(Object.assign(new Error('read only'), { code: 'EROFS' }));
      write('large', 'x'.repeat(MIB));
      fs.fdatasync = broken as typeof fdatasync;
      syncBuiltinESMExports();
      try {
        expect(await final()).to.include({ ok: true, files: 1 });
      } finally {
        fs.fdatasync = fdatasync;
        syncBuiltinESMExports();
      }
    });

    it('a server that slows clients down, as long as it takes some', async () => {
      const outage = new Outage();
      const slow = () => Promise.reject(new S3Error('busy', 'SlowDown', 'slow down', 503));
      const refused = async (times: number) => {
        for (let n = 0; n < times; n++) await outage.guard(slow).catch(() => undefined);
      };
      await refused(60);
      await outage.guard(() => Promise.resolve());
      await refused(60);
      expect(outage.error, 'with a success between them').to.equal(null);
      await refused(4);
      expect(outage.error?.s3Code).to.equal('SlowDown');
    });
  });
});
