import fs from 'node:fs';
import { Readable } from 'node:stream';
import { expect } from 'chai';
import { verifyIn } from '../../../controller/adapters/s3-receipts.js';
import { receiptKey } from '../../../shared/model/bucket-layout.js';
import { S3Error } from '../../../shared/s3/s3-error.js';
import { FakeS3 } from '../../fakes/s3.js';
import { Replica } from '../../support/agent/replica.js';

describe('reading a receipt back', () => {
  let s3: FakeS3;
  let replica: Replica;
  let manifest: string;

  beforeEach(async () => {
    s3 = new FakeS3();
    replica = new Replica(s3, { prefix: 'p', run: { workspaceId: 'w', runId: 'r', prefix: 'p' } });
    await replica.start();
    fs.writeFileSync(replica.at('a'), 'one');
    fs.writeFileSync(replica.at('b'), 'two');
    const { finalSync } = await replica.engine.final(AbortSignal.timeout(60_000));
    manifest = finalSync.receipt ?? '';
  });
  afterEach(() => replica.dispose());

  const verify = (change = {}) =>
    verifyIn(s3, {
      ...{ workspaceId: 'w', runId: 'r', target: { bucket: 'x', prefix: 'p' }, manifest },
      ...change,
    });

  it('confirms what the agent really wrote', async () => {
    expect(await verify()).to.deep.equal({ kind: 'verified' });
  });

  it('also when others have written to the bucket since', async () => {
    await s3.put('p/c', Buffer.from('theirs'), {}, { kind: 'absent' });
    expect(await verify()).to.deep.equal({ kind: 'verified' });
  });

  it('finds that it is missing, of another run, or not as reported', async () => {
    expect((await verify({ runId: 'other' })).kind).to.equal('wrong');
    expect((await verify({ manifest: 'f'.repeat(64) })).kind).to.equal('wrong');
    s3.objects.delete(receiptKey('p', 'w', 'r'));
    expect((await verify()).kind).to.equal('wrong');
  });

  it('finds that objects are gone', async () => {
    s3.objects.delete('p/a');
    expect(await verify()).to.deep.include({ kind: 'wrong' });
  });

  it('takes what is too long for none, and reads no more of it', async () => {
    const key = receiptKey('p', 'w', 'r');
    await s3.put(key, Buffer.alloc(1_000_000, ' '), {}, { kind: 'none' });
    let read = 0;
    s3.bodyOf = (_key, content) =>
      Readable.from(
        (function* () {
          for (let at = 0; at < content.length; at += 4096, read += 4096)
            yield content.subarray(at, at + 4096);
        })(),
      );
    expect(await verify()).to.deep.include({ kind: 'wrong' });
    expect(read).to.be.below(500_000);
  });

  it('concludes nothing from a server that does not answer', async () => {
    s3.fault = () => new S3Error('network', 'ECONNREFUSED', 'nobody there');
    expect((await verify()).kind).to.equal('unreachable');
  });
});
