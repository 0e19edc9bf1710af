import fs from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { expect } from 'chai';
import { BucketReader } from '../../../api/download/bucket-reader.js';
import { S3Error } from '../../../shared/s3/s3-error.js';
import { FakeS3 } from '../../fakes/s3.js';
import { Replica } from '../../support/agent/replica.js';
import { treeOf, untar } from '../../support/untar.js';

const MIB = 1024 * 1024;
const large = Buffer.alloc(3 * MIB, 'large');
const hungUp = () => new S3Error('network', 'ECONNRESET', 'socket hang up');

describe('api: the files of a bucket as a tar', () => {
  let s3: FakeS3;
  let folder: string;
  let refused: { key: string; reason: string }[];
  let ended: AbortController;

  beforeEach(() => {
    s3 = new FakeS3();
    folder = fs.mkdtempSync(path.join(tmpdir(), 'berth-untar-'));
    refused = [];
    ended = new AbortController();
  });
  afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

  const pieces = (prefix = 'p') =>
    new BucketReader({
      ...{ s3, prefix, signal: ended.signal },
      onRefused: (more) => refused.push(...more),
      retry: { attempts: 3, baseMs: 1, maxMs: 2 },
    }).tar();
  const unpacked = async (prefix?: string) => {
    await untar(pieces(prefix), folder);
    return treeOf(folder);
  };
  const failure = async (tar: AsyncIterable<Buffer>): Promise<S3Error> => {
    try {
      for await (const piece of tar) expect(piece).to.be.instanceOf(Buffer);
    } catch (error) {
      return error as S3Error;
    }
    throw new Error('the archive came to its end');
  };
  const gets = () => s3.calls.filter(({ method }) => method === 'get').map(({ key }) => key);

  it('are what the workspace had', async () => {
    const one = await new Replica(s3, { prefix: 'p' }).start();
    fs.writeFileSync(one.at('run.sh'), '#!/bin/sh', { mode: 0o755 });
    fs.utimesSync(one.at('run.sh'), 1_600_000_000, 1_600_000_000.25);
    fs.writeFileSync(one.at('large'), large, { mode: 0o600 });
    fs.writeFileSync(one.at('empty'), '');
    fs.symlinkSync('../outside', one.at('link'));
    fs.mkdirSync(one.at('private'), { mode: 0o700 });
    fs.writeFileSync(one.at('private/new\nline ü'), 'x');
    fs.mkdirSync(one.at('none/deep'), { recursive: true });
    fs.mkdirSync(one.at('.berth'));
    fs.writeFileSync(one.at('.berth/mine'), 'the user’s own');
    await one.engine.cycle();
    expect(await unpacked()).to.deep.equal(treeOf(one.root));
    one.dispose();
  });

  it('are what other tools put there, without what is Berth’s', async () => {
    s3.seed('p/a/b', 'content');
    s3.seed('p/marked/', '');
    s3.seed('p/.berth/home/.bashrc', 'x');
    s3.seed('p/.berth/receipts/w/r.json', '{}');
    s3.seed('other', 'x');
    const md5 = '9a0364b9e99bb480dd25e1f0284c8555';
    expect(await unpacked()).to.deep.equal({
      'a/': '755',
      'a/b': `644 1700000000000 7 ${md5}`,
      'marked/': '755',
    });
    expect(refused).to.deep.equal([]);
  });

  it('are an empty archive where there is nothing', async () => {
    expect(await unpacked()).to.deep.equal({});
  });

  it('leave out what cannot be a file, and say so', async () => {
    s3.seed('p/good', 'x');
    s3.seed('p/../up', 'x');
    s3.seed('p/a', 'x');
    s3.seed('p/a/b', 'x');
    s3.seed('p/link-empty', '', { mode: '120777' });
    s3.seed('p/link-long', 'x'.repeat(5000), { mode: '120777' });
    s3.seed('p/link-large', large, { mode: '120777' });
    s3.seed('p/link-latin', Buffer.from([0xe9]), { mode: '120777' });
    expect(Object.keys(await unpacked())).to.have.members(['good', 'a/', 'a/b']);
    expect(refused.map(({ key }) => key)).to.have.members([
      ...['p/../up', 'p/a', 'p/link-empty', 'p/link-long', 'p/link-large', 'p/link-latin'],
    ]);
  });

  it('are refused where there are more than memory is meant for', async () => {
    const page = Array.from({ length: 1000 }, (_, n) => ({
      ...{ key: `p/${'x'.repeat(900)}${n}`, etag: '"e"', size: 0, lastModified: new Date(0) },
    }));
    let pages = 0;
    s3.list = async function* () {
      for (; pages < 1000; pages++) yield page;
    };
    const error = await failure(pieces());
    expect([error.s3Code, error.transient, pages < 100]).to.deep.equal(['TooManyObjects', false, true]);
  });

  it('do without set-uid bits', async () => {
    s3.seed('p/su', 'x', { mode: '104755' });
    expect((await unpacked())['su']).to.match(/^755 /);
  });

  for (const [what, key, content] of [
    ['a small object', 'p/gone', 'x'],
    ['a large object', 'p/gone', large],
    ['a marker', 'p/.berth/d/gone', ''],
  ] as const) {
    it(`leave out ${what} that was removed since it was listed`, async () => {
      s3.seed(key, content);
      s3.seed('p/stays', 'x');
      s3.fault = (call) => {
        if (call.method !== 'list') s3.objects.delete(key);
        return null;
      };
      expect(Object.keys(await unpacked())).to.deep.equal(['stays']);
    });
  }

  it('have an object that grew since it was listed in full', async () => {
    s3.seed('p/log', 'short');
    s3.fault = ({ method }) => {
      if (method === 'get') s3.seed('p/log', large);
      return null;
    };
    expect((await unpacked())['log']).to.contain(` ${large.length} `);
  });

  it('are asked for a few ahead, large ones only when it is their turn', async () => {
    for (let i = 100; i < 300; i++) s3.seed(`p/f${i}`, 'x');
    s3.seed('p/f101', large);
    const tar = pieces();
    await tar.next();
    const begun = gets();
    expect(begun).to.include('p/f100').and.not.include('p/f101');
    expect(begun.length).to.be.within(2, 20);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(gets(), 'nobody reads, nothing is asked for').to.deep.equal(begun);
    await tar.return(undefined);
  });

  it('come no faster than they are taken', async () => {
    let made = 0;
    s3.seed('p/large', large);
    s3.bodyOf = (_key, content) =>
      Readable.from(
        (function* () {
          for (let at = 0; at < content.length; at += 4096, made += 4096)
            yield content.subarray(at, at + 4096);
        })(),
      );
    const tar = pieces();
    for (let i = 0; i < 10; i++) await tar.next();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(made).to.be.below(large.length / 4);
    await tar.return(undefined);
  });

  describe('when the server fails', () => {
    /** An answer that breaks off after so many bytes. */
    const broken = (content: Buffer, bytes: number) =>
      Readable.from(
        (function* () {
          yield content.subarray(0, bytes);
          throw new Error('aborted');
        })(),
      );

    it('try again what is transient', async () => {
      s3.seed('p/a', 'x');
      s3.seed('p/.berth/d/empty', '');
      const failed = new Set<string>();
      s3.fault = ({ method, key }) => {
        const again = failed.has(method + key);
        failed.add(method + key);
        return again ? null : 'dropBefore';
      };
      expect(Object.keys(await unpacked())).to.have.members(['a', 'empty/']);
    });

    for (const [what, content] of [
      ['small', Buffer.from('small content')],
      ['large', large],
    ] as const) {
      it(`go on where the answer with a ${what} object broke off`, async () => {
        s3.seed('p/f', content);
        let answers = 0;
        s3.bodyOf = (_key, whole) =>
          ++answers < 3
            ? broken(whole, 5 * answers)
            : Readable.from([whole.subarray(0, 3), whole.subarray(3)]);
        await unpacked();
        expect(fs.readFileSync(path.join(folder, 'f')).equals(content)).to.equal(true);
      });

      it(`end with the error when a ${what} object breaks off each time`, async () => {
        s3.seed('p/f', content);
        s3.bodyOf = (_key, whole) => broken(whole, 5);
        expect(await failure(pieces())).to.include({ name: 'S3Error', kind: 'network' });
      });

      it(`end with the error when a ${what} object is shorter than it should be`, async () => {
        s3.seed('p/f', content);
        s3.bodyOf = (_key, whole) => Readable.from([whole.subarray(1)]);
        expect((await failure(pieces())).message).to.contain(`of ${content.length} bytes`);
      });
    }

    it('end with the error when an object was replaced in the middle', async () => {
      s3.seed('p/f', large);
      s3.bodyOf = (_key, whole) => {
        s3.seed('p/f', Buffer.alloc(large.length, 'other'));
        return broken(whole, 5);
      };
      expect((await failure(pieces())).message).to.contain('replaced');
    });

    it('survive an answer that fails before it is read', async () => {
      s3.seed('p/f', large);
      let answers = 0;
      s3.bodyOf = (_key, whole) => {
        const body = Readable.from([whole]);
        if (++answers === 1) setImmediate(() => body.destroy(new Error('idle for too long')));
        return body;
      };
      const tar = pieces();
      await tar.next();
      await new Promise((resolve) => setTimeout(resolve, 20));
      let bytes = 0;
      for await (const piece of tar) bytes += piece.length;
      expect(bytes).to.equal(large.length + 1024);
    });

    it('end with what the server says, also after others went well', async () => {
      for (let i = 0; i < 100; i++) s3.seed(`p/f${i}`, 'x');
      s3.fault = ({ key }) => (key === 'p/f50' ? new S3Error('bucket', 'AccessDenied', 'no', 403) : null);
      expect(await failure(pieces())).to.include({ kind: 'bucket', s3Code: 'AccessDenied' });
    });
  });

  describe('when nobody wants them any more', () => {
    it('end the listing', async () => {
      s3.fault = () => {
        ended.abort();
        return hungUp();
      };
      expect(await failure(pieces())).to.include({ name: 'AbortError' });
      expect(s3.calls).to.have.lengthOf(1);
    });

    it('end the answer that is being read', async () => {
      s3.seed('p/f', large);
      const bodies: Readable[] = [];
      s3.bodyOf = (_key, content) => {
        const body = Readable.from([content.subarray(0, 10), content.subarray(10)]);
        bodies.push(body);
        return body;
      };
      const tar = pieces();
      await tar.next();
      await tar.next();
      ended.abort();
      expect(await failure(tar)).to.include({ name: 'AbortError' });
      expect(bodies.map(({ destroyed }) => destroyed)).to.deep.equal([true]);
    });
  });
});
