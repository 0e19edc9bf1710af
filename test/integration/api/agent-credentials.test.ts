import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect } from 'chai';
import { Problem } from '../../../api/problem.js';
import { rememberedKeys } from '../../../api/services/session-keys.js';
import { signAgentToken } from '../../../shared/agent-token.js';
import type { Place } from '../../../shared/s3/session-policy.js';
import type { SessionKeys } from '../../../shared/s3/sts.js';
import { desired, observed, stopped } from '../../unit/api/fixtures.js';
import { KEY, TestApi } from './support.js';

const AGENT_KEY = 'ab'.repeat(32);
const KEYS: SessionKeys = {
  ...{ accessKeyId: 'a', secretAccessKey: 'never-logged', sessionToken: 'nor-this' },
  expiresAt: '2026-01-02T04:04:05.000Z',
};

describe('GET /agent/credentials', () => {
  let api: TestApi;
  let made: [string, Place][];
  let keys: SessionKeys | null;
  let failure: Error | null;

  beforeEach(async () => {
    made = [];
    keys = KEYS;
    failure = null;
    api = await TestApi.start({
      sessionKeys: (id, { bucket, prefix }) => {
        made.push([id, { bucket, prefix }]);
        return failure === null ? Promise.resolve(keys) : Promise.reject(failure);
      },
    });
    await mkdir(path.join(api.stateDir, 'secrets'));
    await writeFile(path.join(api.stateDir, 'secrets/agent-token.key'), AGENT_KEY);
    await api.records.desired.write('one', desired('one', { spec: { prefix: 'now' } }));
    await api.records.observed.write('one', ran());
  });
  afterEach(() => api.stop());

  const ran = (change: Parameters<typeof observed>[1] = {}) =>
    observed(desired(), { runTarget: { bucket: 'demo', prefix: 'then' }, ...change });
  const ask = async (runId = 'run-1', id = 'one') => {
    const authorization = `Bearer ${await signAgentToken({ id, runId }, AGENT_KEY)}`;
    return api.call('GET', '/agent/credentials', { authorization });
  };
  const expectRefusal = async (answer: ReturnType<typeof ask>, status: number, code: string) => {
    const { status: found, body } = await answer;
    expect([found, body.code]).to.deep.equal([status, code]);
  };

  it('gives keys for the place of the run, whatever is declared by now, and lets nobody keep them', async () => {
    const { status, body, headers } = await ask();
    expect([status, body]).to.deep.equal([200, KEYS]);
    expect(headers.get('cache-control')).to.equal('no-store');
    expect(made).to.deep.equal([['one', { bucket: 'demo', prefix: 'then' }]]);
    expect(api.log.join('\n'))
      .not.to.include(KEYS.secretAccessKey + '"')
      .and.not.to.include('"t"');
  });

  it('gives them during the last sync, also once the declaration is gone', async () => {
    await api.records.desired.remove('one');
    await api.records.observed.write(
      'one',
      ran({ phase: 'stopping', stoppingAt: '2026-01-02T03:30:00.000Z' }),
    );
    expect((await ask()).status).to.equal(200);
  });

  it('gives them to a rescue, and no more to the run that it rescues', async () => {
    const rescue = { attempts: 1, nextAt: '2026-01-02T04:00:05.000Z', runId: 'run-2' };
    const target = { bucket: 'demo', prefix: 'then' };
    const record = stopped(desired(), { runId: 'run-2', runTarget: target, rescue });
    await api.records.observed.write('one', record);
    expect((await ask('run-2')).status).to.equal(200);
    await expectRefusal(ask('run-1'), 409, 'BERTH_RUN_SUPERSEDED');
    expect(made).to.have.length(1);
  });

  it('gives none once the workspace is stopped: whoever kept its token has no use of it', async () => {
    const target = { bucket: 'demo', prefix: 'then' };
    await api.records.observed.write('one', stopped(desired(), { runId: 'run-1', runTarget: target }));
    await expectRefusal(ask(), 409, 'BERTH_RUN_SUPERSEDED');
    expect(made).to.deep.equal([]);
  });

  it('makes no new ones for whoever asks all the time', async () => {
    let now = 0;
    const clock = { now: () => new Date(now), elapsedMs: () => now, after: () => () => {} };
    let count = 0;
    const source = rememberedKeys(() => Promise.resolve({ ...KEYS, accessKeyId: `k${(count += 1)}` }), clock);
    const idOf = async (id: string) => (await source(id, { bucket: 'demo', prefix: '' }))?.accessKeyId;
    expect([await idOf('one'), await idOf('one'), await idOf('two')]).to.deep.equal(['k1', 'k1', 'k2']);
    now += 60_000;
    expect(await idOf('one')).to.equal('k3');
  });

  it('gives nobody those of another: the token alone says who asks', async () => {
    await api.records.desired.write('two', desired('two', { spec: { bucket: 'other' } }));
    await api.records.observed.write(
      'two',
      observed(desired('two'), { runId: 'run-9', runTarget: { bucket: 'other', prefix: '' } }),
    );
    await expectRefusal(ask('run-1', 'two'), 409, 'BERTH_RUN_SUPERSEDED');
    const authorization = `Bearer ${await signAgentToken({ id: 'one', runId: 'run-1' }, AGENT_KEY)}`;
    const asked = await api.call('GET', '/agent/credentials?id=two&bucket=other', { authorization });
    expect([asked.status, made]).to.deep.equal([200, [['one', { bucket: 'demo', prefix: 'then' }]]]);
  });

  it('gives none without a token of an agent', async () => {
    for (const authorization of [null, `Bearer ${KEY}`, 'Bearer a.b.c'])
      expect((await api.call('GET', '/agent/credentials', { authorization })).status).to.equal(401);
    expect(made).to.deep.equal([]);
  });

  it('gives none to a workspace that is gone, or has not begun', async () => {
    await api.records.observed.remove('one');
    expect((await ask()).status).to.equal(404);
    await api.records.desired.remove('one');
    await expectRefusal(ask(), 404, 'BERTH_WORKSPACE_UNKNOWN');
    expect(made).to.deep.equal([]);
  });

  it('says that there are none where there is no role', async () => {
    keys = null;
    await expectRefusal(ask(), 404, 'BERTH_NOT_FOUND');
  });

  it('tells a failure of the service as one that passes', async () => {
    failure = new Problem('BERTH_S3_UNAVAILABLE', 'No S3 keys for one: it is away');
    const { status, body } = await ask();
    expect([status >= 500, body.code]).to.deep.equal([true, 'BERTH_S3_UNAVAILABLE']);
  });
});
