import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { expect } from 'chai';
import { SessionSource } from '../../../agent/session-keys.js';
import { silentLogger } from '../../../shared/logger.js';
import { S3Client } from '../../../shared/s3/client.js';
import { missingConditions } from '../../../shared/s3/probe.js';
import { S3Error } from '../../../shared/s3/s3-error.js';
import type { Place } from '../../../shared/s3/session-policy.js';
import { assumeRole, type SessionKeys } from '../../../shared/s3/sts.js';
import type { Credentials } from '../../../shared/s3/transport.js';
import { BUNDLED_ROLE, keysFor } from '../../../shared/s3/workspace-keys.js';
import { Replica } from '../../support/agent/replica.js';
import { ADMIN, endedToken, Seaweed } from '../../support/agent/seaweed.js';

const NONE = { kind: 'none' } as const;
const ABSENT = { kind: 'absent' } as const;

/** What somebody gets who becomes root in a workspace and takes its agent's keys. */
describe('S3 keys for one workspace only, on a real S3 server', function () {
  this.timeout(120_000);
  const weed = new Seaweed();
  before(() => weed.start());
  after(() => weed.stop());

  const session = async (place: Place, createsBucket = true): Promise<SessionKeys> => {
    const settings = {
      ...{ BERTH_S3_ENDPOINT: '', BERTH_S3_BUNDLED_ENDPOINT: weed.endpoint, BERTH_S3_REGION: 'us-east-1' },
      ...{ BERTH_S3_ROLE_ARN: '', BERTH_S3_STS_ENDPOINT: '', BERTH_S3_SESSION: '1h' },
    };
    const keys = await keysFor('one', place, { settings, keys: ADMIN, createsBucket });
    if (keys === null) throw new Error('no keys');
    return keys;
  };
  const clientOf = (bucket: string, keys: SessionKeys) =>
    new S3Client({ bucket, region: 'us-east-1', endpoint: weed.endpoint, ...keys });
  const codeOf = async (work: Promise<unknown>) =>
    work.then(
      () => 'done',
      (error: unknown) => (error instanceof S3Error ? error.s3Code : String(error)),
    );
  const listed = async (client: S3Client, prefix: string) => {
    const keys: string[] = [];
    for await (const page of client.list(prefix)) keys.push(...page.map(({ key }) => key));
    return keys;
  };

  for (const place of [
    { bucket: 'scoped-a', prefix: 'team/p' },
    { bucket: 'scoped-b', prefix: '' },
  ]) {
    it(`do all that an agent does in ${place.bucket}/${place.prefix}`, async () => {
      const keys = await session(place);
      const hours = (Date.parse(keys.expiresAt) - Date.now()) / 3_600_000;
      expect(hours).to.be.within(0.9, 1.01);
      const s3 = clientOf(place.bucket, keys);
      const run = { workspaceId: 'one', runId: 'run-1', prefix: place.prefix };
      const one = await new Replica(s3, { prefix: place.prefix, createBucket: true, run }).start();
      try {
        mkdirSync(one.at('a b/empty'), { recursive: true });
        writeFileSync(one.at('a b/ü'), 'text');
        writeFileSync(one.at('gone'), 'x');
        // Large enough for an upload in parts.
        writeFileSync(one.at('large'), Buffer.alloc(40 * 1024 ** 2, 'x'));
        await one.engine.cycle();
        rmSync(one.at('gone'));
        await one.engine.cycle();
        const { finalSync } = await one.engine.final(AbortSignal.timeout(60_000));
        expect(finalSync).to.include({ ok: true });
        expect(finalSync.receipt, 'with a receipt').to.be.a('string');
        expect(await missingConditions(s3, place.prefix === '' ? '' : `${place.prefix}/`)).to.deep.equal([]);
        const two = await new Replica(clientOf(place.bucket, await session(place)), {
          prefix: place.prefix,
        }).start();
        expect(two.tree()).to.deep.equal(one.tree());
        two.dispose();
      } finally {
        one.dispose();
        s3.close();
      }
    });
  }

  it('reach nothing else: no other prefix, no other bucket, no list of all, and no wider keys', async () => {
    for (const bucket of ['scoped-mine', 'scoped-other']) {
      const admin = weed.client(bucket);
      await admin.createBucket();
      for (const key of ['p/own', 'pp/near', 'q/far', 'top'])
        await admin.put(key, Buffer.from('x'), {}, ABSENT);
      admin.close();
    }
    const keys = await session({ bucket: 'scoped-mine', prefix: 'p' });
    const mine = clientOf('scoped-mine', keys);
    const other = clientOf('scoped-other', keys);
    expect(await listed(mine, 'p/')).to.deep.equal(['p/own']);
    expect((await mine.head('p/own'))?.size).to.equal(1);
    expect(await mine.head('p/missing'), 'a missing one is told from a forbidden one').to.equal(null);

    const attempts: Record<string, () => Promise<unknown>> = {
      'list of the other': () => listed(other, ''),
      'list of its p/': () => listed(other, 'p/'),
      'get of the other': () => other.get('p/own'),
      'put to the other': () => other.put('p/own', Buffer.from('y'), {}, NONE),
      'remove from the other': () => other.remove('p/own', NONE),
      'make another': () => clientOf('scoped-new', keys).createBucket(),
    };
    for (const prefix of ['p', 'pp/', 'q/', '']) attempts[`list ${prefix}`] = () => listed(mine, prefix);
    for (const key of ['pp/near', 'q/far', 'top']) {
      attempts[`get ${key}`] = () => mine.get(key);
      attempts[`put ${key}`] = () => mine.put(key, Buffer.from('y'), {}, NONE);
      attempts[`remove ${key}`] = () => mine.remove(key, NONE);
      attempts[`upload ${key}`] = () => mine.startUpload(key, {});
    }
    for (const [what, attempt] of Object.entries(attempts))
      expect(await codeOf(attempt()), what).to.equal('AccessDenied');
    const wider = { endpoint: weed.endpoint, region: 'us-east-1', keys, roleArn: BUNDLED_ROLE };
    const all = [{ Effect: 'Allow', Action: ['s3:*'], Resource: ['arn:aws:s3:::*', 'arn:aws:s3:::*/*'] }];
    for (const policy of ['', JSON.stringify({ Version: '2012-10-17', Statement: all })]) {
      const wish = { name: 'wider', policy, seconds: 3600 };
      expect(await codeOf(assumeRole(wider, wish)), 'wider keys').to.equal('AccessDenied');
      const fair = { ...wider, keys: ADMIN };
      expect(await codeOf(assumeRole(fair, wish)), 'which the configured key gets').to.equal('done');
    }
    const anonymous = await fetch(`${weed.endpoint}/scoped-other/p/own`);
    expect(anonymous.status).to.equal(403);
    // Nothing of it happened.
    const admin = weed.client('scoped-mine');
    expect((await listed(admin, '')).sort()).to.deep.equal(['p/own', 'pp/near', 'q/far', 'top']);
    admin.close();
    mine.close();
    other.close();
  });

  it('are renewed when they end in the middle of the final sync, and nothing of it is lost', async () => {
    const place = { bucket: 'scoped-late', prefix: 'p' };
    const good = await session(place);
    const run = { workspaceId: 'one', runId: 'run-1', prefix: place.prefix };
    let asked = 0;
    // The agent's clock says that they hold: only the server's refusal tells otherwise.
    const source = new SessionSource({
      first: good,
      ask: async () => {
        asked += 1;
        return { status: 200, text: JSON.stringify(await session(place)) };
      },
      log: silentLogger(),
    });
    const ended = { ...good, sessionToken: await endedToken(good.sessionToken) };
    let requests = 0;
    const ending = {
      current: async () => {
        const held = await source.current();
        requests += 1;
        return held.sessionToken === good.sessionToken && requests > 6 ? ended : held;
      },
      refused: (keys: Credentials) => source.refused(keys),
    };
    const s3 = new S3Client({
      ...{ bucket: place.bucket, region: 'us-east-1', endpoint: weed.endpoint },
      session: ending,
    });
    const one = await new Replica(s3, { prefix: place.prefix, createBucket: true, run }).start();
    const two = new Replica(clientOf(place.bucket, await session(place)), { prefix: place.prefix });
    try {
      for (let count = 0; count < 50; count++) writeFileSync(one.at(`file-${count}`), String(count));
      const { finalSync } = await one.engine.final(AbortSignal.timeout(60_000));
      expect(finalSync).to.include({ ok: true });
      expect(finalSync.receipt).to.be.a('string');
      expect(asked, 'once for all that were under way').to.equal(1);
      expect((await two.start()).tree()).to.deep.equal(one.tree());
    } finally {
      two.dispose();
      one.dispose();
      s3.close();
    }
  });

  it('hold over a restart of the server', async () => {
    const place = { bucket: 'scoped-a', prefix: 'team/p' };
    const keys = await session(place);
    await weed.kill();
    await weed.start();
    const s3 = clientOf(place.bucket, keys);
    expect(await listed(s3, 'team/p/')).not.to.be.empty;
    s3.close();
  });
});
