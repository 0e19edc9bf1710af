import { mkdtempSync, rmSync } from 'node:fs';
import http, { type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import bcrypt from 'bcryptjs';
import { expect } from 'chai';
import { openKeyFile } from '../../../api/auth/key-file.js';
import type { OpenBucket } from '../../../api/download/buckets.js';
import { S3Error } from '../../../shared/s3/s3-error.js';
import { FakeS3 } from '../../fakes/s3.js';
import { treeOf, untar } from '../../support/untar.js';
import { desired, observed, stopped } from '../../unit/api/fixtures.js';
import { eventually, KEY, SECRET, TestApi } from './support.js';

const FILES = '/api/containers/one/files.tar';
const MIB = 1024 * 1024;
/** More than all the buffers between the two ends hold. */
const LARGE = Buffer.alloc(64 * MIB, 'large');

describe('the files of a workspace over the API', function () {
  this.timeout(30_000);
  let api: TestApi;
  let s3: FakeS3;
  let opened: { bucket: string; closed: boolean }[];
  let clients: http.ClientRequest[];

  beforeEach(async () => {
    s3 = new FakeS3();
    opened = [];
    clients = [];
    const buckets = async (bucket: string): Promise<OpenBucket> => {
      const one = { bucket, closed: false };
      opened.push(one);
      return { s3, close: () => (one.closed = true) };
    };
    api = await TestApi.start({ buckets });
    await api.records.desired.write('one', desired());
  });
  afterEach(async () => {
    for (const client of clients) client.destroy();
    await api.stop();
  });

  /** An answer whose body is not read yet. */
  function download(key = KEY): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const headers = { Authorization: `Bearer ${key}` };
      const client = http.get(`${api.url}${FILES}`, { headers, agent: false }, resolve);
      client.once('error', reject);
      clients.push(client);
    });
  }
  const allClosed = () => opened.every(({ closed }) => closed);

  it('come as a tar with the name of the workspace', async () => {
    s3.seed('a/b', 'content');
    const answer = await download();
    expect(answer.statusCode).to.equal(200);
    expect(answer.headers).to.include({
      'content-type': 'application/x-tar',
      'content-disposition': 'attachment; filename="one.tar"',
      'transfer-encoding': 'chunked',
    });
    const folder = mkdtempSync(path.join(tmpdir(), 'berth-files-'));
    try {
      await untar(answer as AsyncIterable<Buffer>, folder);
      expect(Object.keys(treeOf(folder))).to.deep.equal(['a/', 'a/b']);
    } finally {
      rmSync(folder, { recursive: true });
    }
    await eventually(allClosed, 'closed connections');
    expect(opened).to.deep.equal([{ bucket: 'demo', closed: true }]);
  });

  it('are announced by HEAD', async () => {
    s3.seed('large', LARGE);
    const answer = await api.call('HEAD', FILES);
    expect([answer.status, answer.text]).to.deep.equal([200, '']);
    expect(answer.headers.get('content-type')).to.equal('application/x-tar');
    await eventually(allClosed, 'closed connections');
  });

  it('are of the prefix that a living workspace declares', async () => {
    await api.records.desired.write('one', desired('one', { spec: { bucket: 'new', prefix: 'p' } }));
    const old = desired('one', { spec: { bucket: 'old' } });
    await api.records.observed.write('one', observed(old, { runTarget: { bucket: 'old', prefix: '' } }));
    expect((await api.call('GET', FILES)).status).to.equal(200);
    expect(opened[0]?.bucket).to.equal('new');
    expect(s3.calls).to.deep.equal([{ method: 'list', key: 'p/' }]);
  });

  it('of a stopped workspace are where its last run left them, also once its file is gone', async () => {
    const record = stopped(desired(), { runTarget: { bucket: 'old', prefix: 'q' } });
    await api.records.observed.write('one', record);
    const asked = desired('one', { spec: { state: 'stopped', bucket: 'new' } });
    await api.records.desired.write('one', asked);
    expect((await api.call('GET', FILES)).status).to.equal(200);
    await api.records.desired.remove('one');
    expect((await api.call('GET', FILES)).status).to.equal(200);
    expect(opened.map(({ bucket }) => bucket)).to.deep.equal(['old', 'old']);
    expect(s3.calls.map(({ key }) => key)).to.deep.equal(['q/', 'q/']);
  });

  it('of an earlier workspace of the same name are not shown as those of the new one', async () => {
    const earlier = desired('one', { metadata: { uid: 'uid-0' } });
    await api.records.observed.write('one', stopped(earlier, { runTarget: { bucket: 'old', prefix: '' } }));
    await api.records.desired.write('one', desired('one', { spec: { state: 'stopped', bucket: 'new' } }));
    expect((await api.call('GET', FILES)).status).to.equal(200);
    expect(opened[0]?.bucket).to.equal('new');
  });

  it('are refused without a key, by other methods, with a query, and of no workspace', async () => {
    expect((await api.call('GET', FILES, { authorization: null })).status).to.equal(401);
    const posted = await api.call('POST', FILES);
    expect([posted.status, posted.headers.get('allow')]).to.deep.equal([405, 'GET, HEAD']);
    expect((await api.call('GET', `${FILES}?gzip=1`)).body.code).to.equal('BERTH_QUERY_INVALID');
    const unknown = await api.call('GET', '/api/containers/two/files.tar');
    expect([unknown.status, unknown.body.code]).to.deep.equal([404, 'BERTH_WORKSPACE_UNKNOWN']);
    await api.write('desired/bad.yaml', 'a: [');
    const broken = await api.call('GET', '/api/containers/bad/files.tar');
    expect([broken.status, broken.body.code]).to.deep.equal([409, 'BERTH_SPEC_INVALID']);
    expect(opened).to.deep.equal([]);
  });

  describe('that cannot be read', () => {
    const failures: [string, S3Error, number, string][] = [
      ['the server is away', new S3Error('network', 'ECONNREFUSED', 'away'), 503, 'BERTH_S3_UNAVAILABLE'],
      ['the server is busy', new S3Error('busy', 'SlowDown', 'later', 503), 503, 'BERTH_S3_UNAVAILABLE'],
      ['there is no bucket', new S3Error('bucket', 'NoSuchBucket', 'none', 404), 502, 'BERTH_S3_REFUSED'],
      ['the keys are wrong', new S3Error('bucket', 'InvalidAccessKeyId', 'x', 403), 502, 'BERTH_S3_REFUSED'],
    ];
    for (const [what, error, status, code] of failures) {
      it(`are answered with ${status} ${code} when ${what}`, async () => {
        s3.fault = () => error;
        const answer = await api.call('GET', FILES);
        expect([answer.status, answer.body.code]).to.deep.equal([status, code]);
        expect(answer.headers.get('content-type')).to.contain('application/problem+json');
        expect(answer.headers.get('content-disposition')).to.equal(null);
        expect(answer.headers.get('retry-after')).to.equal(status === 503 ? '10' : null);
        expect(answer.body.detail).to.contain(error.s3Code).and.to.contain('demo');
        expect(allClosed()).to.equal(true);
        expect(api.log.join()).to.contain('download failed');
      });
    }

    it('are answered so too when only the list may be read', async () => {
      s3.seed('a', 'x');
      const denied = new S3Error('bucket', 'AccessDenied', 'no', 403);
      s3.fault = ({ method }) => (method === 'get' ? denied : null);
      expect((await api.call('GET', FILES)).body.code).to.equal('BERTH_S3_REFUSED');
    });

    it('break the connection when the server fails in the middle', async () => {
      for (let i = 0; i < 100; i++) s3.seed(`f${i}`, 'x');
      const denied = new S3Error('bucket', 'AccessDenied', 'no', 403);
      s3.fault = ({ key }) => (key === 'f90' ? denied : null);
      const answer = await download();
      expect(answer.statusCode).to.equal(200);
      let bytes = 0;
      let error: unknown = null;
      try {
        for await (const chunk of answer as AsyncIterable<Buffer>) bytes += chunk.length;
      } catch (thrown) {
        error = thrown;
      }
      expect(error).to.include({ code: 'ECONNRESET' });
      expect(bytes).to.be.below(101 * 1024);
      await eventually(() => api.log.join().includes('download failed'), 'a line in the log');
      expect(api.log.join()).to.contain('AccessDenied');
      await eventually(allClosed, 'closed connections');
    });

    it('are answered with 503 when the S3 keys are missing', async () => {
      const bare = await TestApi.start();
      try {
        await bare.records.desired.write('one', desired());
        const { status, body } = await bare.call('GET', FILES);
        expect([status, body.code]).to.deep.equal([503, 'BERTH_NOT_READY']);
        expect(body.detail).to.contain('s3.env');
      } finally {
        await bare.stop();
      }
    });
  });

  describe('of a client that goes away', () => {
    it('are not read any further', async () => {
      s3.seed('large', LARGE);
      const bodies: Readable[] = [];
      s3.bodyOf = (_key, content) => {
        const chunks = function* () {
          for (let at = 0; at < content.length; at += MIB) yield content.subarray(at, at + MIB);
        };
        bodies.push(Readable.from(chunks()));
        return bodies.at(-1) as Readable;
      };
      const answer = await download();
      expect(bodies[0]?.destroyed).to.equal(false);
      answer.destroy();
      await eventually(allClosed, 'closed connections');
      expect(bodies.map(({ destroyed }) => destroyed)).to.deep.equal([true]);
      expect(api.log.join()).to.not.contain('failed');
    });

    it('are not even listed to the end', async () => {
      let isListing = false;
      let end: (() => void) | undefined;
      // The server takes its time until the signal comes.
      s3.list = async function* (_prefix, signal) {
        isListing = true;
        await new Promise<void>((resolve) => signal?.addEventListener('abort', () => resolve()));
        end?.();
        throw new S3Error('network', 'ABORTED', 'aborted');
        yield [];
      };
      const aborted = new Promise<void>((resolve) => (end = resolve));
      download().catch(() => undefined);
      await eventually(() => isListing, 'a listing');
      clients[0]?.destroy();
      await aborted;
      await eventually(allClosed, 'closed connections');
      expect(api.log.join()).to.not.contain('failed');
    });
  });

  it('are given to three of a key at once, and to the next when one of them has ended', async () => {
    s3.seed('large', LARGE);
    const three = await Promise.all([1, 2, 3].map(() => download()));
    expect(three.map(({ statusCode }) => statusCode)).to.deep.equal([200, 200, 200]);
    const fourth = await api.call('GET', FILES);
    expect([fourth.status, fourth.body.code]).to.deep.equal([503, 'BERTH_BUSY']);
    expect(fourth.headers.get('retry-after')).to.equal('10');
    three[0]?.destroy();
    await eventually(async () => (await api.call('HEAD', FILES)).status === 200, 'a free place');
  });

  it('are there for other keys while one has all of its places, for four at once in all', async () => {
    const hash = await bcrypt.hash(SECRET, 4);
    const entry = { name: 'other', hash, createdAt: '2026-01-01T00:00:00.000Z', scope: 'read' as const };
    const keys = { second: entry, third: entry };
    await openKeyFile(path.join(api.stateDir, 'keys.yaml')).write({ keys });
    s3.seed('large', LARGE);
    await Promise.all([1, 2, 3].map(() => download()));
    expect((await download(`second_${SECRET}`)).statusCode).to.equal(200);
    expect((await download(`third_${SECRET}`)).statusCode).to.equal(503);
    clients[0]?.destroy();
    const third = { authorization: `Bearer third_${SECRET}` };
    await eventually(async () => (await api.call('HEAD', FILES, third)).status === 200, 'a free place');
  });
});
