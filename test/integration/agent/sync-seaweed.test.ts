import fs from 'node:fs';
import { expect } from 'chai';
import type { S3Client } from '../../../shared/s3/client.js';
import type { S3Error } from '../../../shared/s3/s3-error.js';
import { Replica } from '../../support/agent/replica.js';
import { ADMIN, Seaweed, TENANT } from '../../support/agent/seaweed.js';
import { inputSuite } from '../../support/agent/input-suite.js';
import { sharingSuite } from '../../support/agent/sharing-suite.js';
import { syncSuite } from '../../support/agent/sync-suite.js';

const weed = new Seaweed();
const clients: S3Client[] = [];
let shared: S3Client;
let number = 0;

function client(...args: Parameters<Seaweed['client']>): S3Client {
  const made = weed.client(...args);
  clients.push(made);
  return made;
}

describe('agent: on a real S3 server', function () {
  this.timeout(60_000);

  before(async () => {
    await weed.start();
    shared = client('suite');
    await shared.createBucket();
  });
  after(async () => {
    for (const each of clients) each.close();
    await weed.stop();
  });

  // Buckets are dear on this server, prefixes are not.
  const place = () => ({ s3: shared, prefix: `test${(number += 1)}` });
  syncSuite('SeaweedFS', place);
  sharingSuite('SeaweedFS', place);
  inputSuite('SeaweedFS', place);

  describe('buckets', () => {
    const refusal = async (replica: Replica): Promise<S3Error> => {
      try {
        await replica.start();
      } catch (error) {
        return error as S3Error;
      } finally {
        replica.dispose();
      }
      throw new Error('was not refused');
    };

    it('makes a missing bucket only when it may', async () => {
      const error = await refusal(new Replica(client('missing')));
      expect(error).to.include({ kind: 'bucket', s3Code: 'NoSuchBucket' });
      expect(error.message).to.contain('does not exist');
      const replica = new Replica(client('made'), { createBucket: true });
      await replica.start();
      fs.writeFileSync(replica.at('f'), 'x');
      await replica.engine.cycle();
      expect(replica.engine.status()).to.include({ files: 1, error: null });
      replica.dispose();
    });

    const wrong: [string, string, { accessKeyId: string; secretAccessKey: string }, string][] = [
      ['a wrong secret', 'suite', { ...ADMIN, secretAccessKey: 'wrong' }, 'SignatureDoesNotMatch'],
      ['an unknown key', 'suite', { ...ADMIN, accessKeyId: 'nobody' }, 'InvalidAccessKeyId'],
      ['another tenant’s bucket', 'suite', TENANT, 'AccessDenied'],
    ];
    for (const [what, bucket, keys, code] of wrong) {
      it(`names ${what} as ${code}`, async () => {
        const error = await refusal(new Replica(client(bucket, keys)));
        expect(error).to.include({ kind: 'bucket', s3Code: code });
      });
    }
  });

  it('loses nothing when the server is killed while files are sent', async () => {
    const replica = await new Replica(shared, { prefix: 'killed' }).start();
    for (let i = 0; i < 300; i++) fs.writeFileSync(replica.at(`f${i}`), `content ${i}`);
    const killed: Promise<void>[] = [];
    let sent = 0;
    const put = shared.put.bind(shared);
    shared.put = (...args) => {
      if (++sent === 50) killed.push(weed.kill());
      return put(...args);
    };
    await replica.engine.cycle();
    shared.put = put;
    await Promise.all(killed);
    expect(killed).to.have.length(1);
    const { error } = replica.engine.status();
    expect(error, 'the failure is told').not.to.equal(null);
    fs.writeFileSync(replica.at('meanwhile'), 'work goes on');
    await weed.start();
    const { exitCode, finalSync } = await replica.engine.final(AbortSignal.timeout(40_000));
    expect([exitCode, finalSync.files]).to.deep.equal([0, 301]);
    const other = await new Replica(shared, { prefix: 'killed' }).start();
    expect(other.tree()).to.deep.equal(replica.tree());
    expect(Object.keys(other.tree())).to.have.lengthOf(301);
    replica.dispose();
    other.dispose();
  });
});
