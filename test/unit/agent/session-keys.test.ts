import { expect } from 'chai';
import winston from 'winston';
import { SessionSource } from '../../../agent/session-keys.js';
import { S3Error } from '../../../shared/s3/s3-error.js';
import { sessionPolicy } from '../../../shared/s3/session-policy.js';

const HOUR = 3_600_000;
const log = winston.createLogger({ silent: true });

describe('S3 keys that hold for some time', () => {
  let now: number;
  let asked: number;
  let isAway: boolean;
  const keysNamed = (accessKeyId: string) => ({
    ...{ accessKeyId, secretAccessKey: 's', sessionToken: 't' },
    expiresAt: new Date(now + HOUR).toISOString(),
  });
  const ask = async () => {
    asked += 1;
    return isAway
      ? { status: 503, text: 'busy' }
      : { status: 200, text: JSON.stringify(keysNamed(`next-${asked}`)) };
  };
  const source = (first = true) =>
    new SessionSource({ first: first ? keysNamed('first') : null, ask, log, now: () => now });
  const settled = () => new Promise((resolve) => setTimeout(resolve, 5));

  beforeEach(() => {
    now = Date.parse('2026-01-02T03:04:05.000Z');
    asked = 0;
    isAway = false;
  });

  it('are those of the container at first, and are renewed before their end, with nobody waiting', async () => {
    const keys = source();
    expect(await keys.current()).to.include({ accessKeyId: 'first' });
    now += 0.74 * HOUR;
    expect(await keys.current()).to.include({ accessKeyId: 'first' });
    expect(asked).to.equal(0);
    now += 0.02 * HOUR;
    expect(await keys.current()).to.include({ accessKeyId: 'first' });
    await settled();
    expect(await keys.current()).to.include({ accessKeyId: 'next-1' });
    expect(asked).to.equal(1);
  });

  it('are asked for once, however many need them', async () => {
    const keys = source(false);
    const all = await Promise.all([keys.current(), keys.current(), keys.current()]);
    expect(all.map(({ accessKeyId }) => accessKeyId)).to.deep.equal(['next-1', 'next-1', 'next-1']);
  });

  it('are used to their end while the API is away, and are missing for the moment after it', async () => {
    const keys = source();
    isAway = true;
    now += 0.9 * HOUR;
    expect(await keys.current()).to.include({ accessKeyId: 'first' });
    await settled();
    expect(await keys.current(), 'not asked again at once').to.include({ accessKeyId: 'first' });
    await settled();
    expect(asked).to.equal(1);
    now += 0.2 * HOUR;
    const error = await keys.current().catch((failure: unknown) => failure);
    expect(error).to.be.instanceOf(S3Error);
    expect((error as S3Error).transient).to.equal(true);
    isAway = false;
    expect(await keys.current()).to.include({ accessKeyId: 'next-3' });
  });

  it('are replaced when the server takes them no more', async () => {
    const keys = source();
    const held = await keys.current();
    keys.refused(held);
    expect(await keys.current()).to.include({ accessKeyId: 'next-1' });
    keys.refused(held);
    expect(await keys.current(), 'others were had meanwhile').to.include({ accessKeyId: 'next-1' });
  });
});

describe('The policy of a workspace', () => {
  const statements = (prefix: string, options = { createsBucket: false, tellsMissing: false }) =>
    (JSON.parse(sessionPolicy({ bucket: 'b', prefix }, options)) as { Statement: Record<string, unknown>[] })
      .Statement;

  it('lets it list and use its prefix, which is a folder, and nothing else', () => {
    expect(statements('a')).to.deep.equal([
      {
        ...{ Effect: 'Allow', Action: ['s3:ListBucket'], Resource: ['arn:aws:s3:::b'] },
        Condition: { StringLike: { 's3:prefix': ['a/*'] } },
      },
      {
        ...{ Effect: 'Allow', Resource: ['arn:aws:s3:::b/a/*'] },
        Action: ['s3:GetObject', 's3:PutObject', 's3:DeleteObject', 's3:AbortMultipartUpload'],
      },
    ]);
  });

  it('is the whole bucket without a prefix', () => {
    const [list, objects] = statements('');
    expect(list).not.to.have.property('Condition');
    expect(objects?.['Resource']).to.deep.equal(['arn:aws:s3:::b/*']);
  });

  it('lets it make its bucket only where it is to', () => {
    const made = statements('a', { createsBucket: true, tellsMissing: true }).at(-1);
    expect(made).to.deep.equal({
      Effect: 'Allow',
      Action: ['s3:CreateBucket'],
      Resource: ['arn:aws:s3:::b'],
    });
  });
});
