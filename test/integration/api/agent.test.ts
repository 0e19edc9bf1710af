import { mkdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect } from 'chai';
import { SignJWT } from 'jose';
import { signAgentToken } from '../../../shared/agent-token.js';
import { desired, observed, report, stopped } from '../../unit/api/fixtures.js';
import { KEY, TestApi } from './support.js';

const AGENT_KEY = 'ab'.repeat(32);

describe('PUT /agent/report', () => {
  let api: TestApi;
  let token: string;
  beforeEach(async () => {
    api = await TestApi.start();
    await mkdir(path.join(api.stateDir, 'secrets'));
    await writeFile(path.join(api.stateDir, 'secrets/agent-token.key'), `${AGENT_KEY}\n`);
    await api.records.desired.write('one', desired());
    await api.records.observed.write('one', observed(desired()));
    token = await signAgentToken({ id: 'one', runId: 'run-1' }, AGENT_KEY);
  });
  afterEach(() => api.stop());

  const put = (body: unknown, authorization: string | null = `Bearer ${token}`) =>
    api.call('PUT', '/agent/report', { body, authorization });
  const stored = () => api.records.reports.read('one');

  it("keeps the report for the token's workspace, with the time, and shows it", async () => {
    const { status, body: answer } = await put(report());
    const idle = {
      timeoutMs: 600_000,
      signals: ['files'],
      extendedUntil: null,
      runningSince: observed(desired()).startedAt,
    };
    expect([status, answer]).to.deep.equal([200, { pull: false, idle }]);
    const read = await stored();
    if (read.kind !== 'valid') throw new Error(`the report is ${read.kind}`);
    const { receivedAt, ...rest } = read.value;
    expect(rest).to.deep.equal(report());
    expect(Date.now() - Date.parse(receivedAt)).to.be.within(-60_000, 60_000);
    const { body } = await api.call('GET', '/api/containers/one');
    expect(body.lastSyncAt).to.equal(report().sync.lastSyncAt);
  });

  it('replaces the one before', async () => {
    await put(report());
    const finalSync = { ok: true, at: '2026-01-02T04:00:00.000Z', files: 1, bytes: 2, failed: 0 };
    await put(report({ state: 'finished', finalSync }));
    const read = await stored();
    expect(read.kind === 'valid' && read.value.finalSync).to.deep.equal(finalSync);
  });

  it('answers whether changes of others are wanted', async () => {
    await api.records.desired.write('two', desired('two', { spec: { prefix: 'part' } }));
    expect((await put(report())).body['pull'], 'another one has a part of the bucket').to.equal(true);
  });

  for (const [what, msAgo, wanted] of [
    ['still so shortly after the other one has ended: its last sync is to be brought', 1_000, true],
    ['not so any more when the other one ended long ago', 600_000, false],
  ] as const)
    it(`answers ${what}`, async () => {
      const two = desired('two', { spec: { prefix: 'part', state: 'stopped' } });
      await api.records.desired.write('two', two);
      const stoppedAt = new Date(Date.now() - msAgo).toISOString();
      await api.records.observed.write('two', stopped(two, { stoppedAt }));
      expect((await put(report())).body['pull']).to.equal(wanted);
    });

  describe('answers 401 to', () => {
    const tokens: [string, () => Promise<string | null> | string | null][] = [
      ['no token', () => null],
      ['an API key', () => `Bearer ${KEY}`],
      ['nonsense', () => 'Bearer a.b.c'],
      [
        'a token of another key',
        async () => `Bearer ${await signAgentToken({ id: 'one', runId: 'run-1' }, 'cd'.repeat(32))}`,
      ],
      [
        'a token of another purpose',
        async () => {
          const jwt = new SignJWT({ run: 'run-1' }).setProtectedHeader({ alg: 'HS256' }).setSubject('one');
          return `Bearer ${await jwt.setAudience('browser').sign(Buffer.from(AGENT_KEY, 'hex'))}`;
        },
      ],
      [
        'an unsigned token',
        () => {
          const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
          return `Bearer ${part({ alg: 'none' })}.${part({ sub: 'one', run: 'run-1', aud: 'berth-agent' })}.`;
        },
      ],
      [
        'an id that is none',
        async () => `Bearer ${await signAgentToken({ id: '../x', runId: 'run-1' }, AGENT_KEY)}`,
      ],
    ];
    for (const [name, make] of tokens) {
      it(name, async () => {
        const { status, headers } = await put(report(), await make());
        expect([status, headers.get('www-authenticate')]).to.deep.equal([401, 'Bearer']);
        expect((await stored()).kind).to.equal('absent');
      });
    }

    it('an agent that wants to use the API', async () => {
      const { status } = await api.call('GET', '/api/containers', { authorization: `Bearer ${token}` });
      expect(status).to.equal(401);
    });
  });

  const bad: [string, unknown, string][] = [
    ['nothing', {}, 'runId'],
    ['an unknown state', { ...report(), state: 'bored' }, 'state'],
    ['a negative count', report({ sync: { ...report().sync, files: -1 } }), 'sync.files'],
    ['a time that is none', report({ lastActivityAt: 'now' }), 'lastActivityAt'],
    ['an endless message', report({ message: 'x'.repeat(2001) }), 'message'],
    ['the run of another token', report({ runId: 'run-2' }), 'runId'],
  ];
  for (const [name, body, field] of bad) {
    it(`answers 400 to ${name}`, async () => {
      const answer = await put(body);
      expect(answer.status).to.equal(400);
      expect(answer.body.errors?.[0]?.field).to.equal(field);
      expect((await stored()).kind).to.equal('absent');
    });
  }

  it('answers 413 above 64 kB', async () => {
    expect((await put({ ...report(), more: 'x'.repeat(70_000) })).status).to.equal(413);
  });

  it('answers 409 to a run that is over', async () => {
    await api.records.observed.write('one', observed(desired(), { runId: 'run-2' }));
    const { status, body } = await put(report());
    expect([status, body.code]).to.deep.equal([409, 'BERTH_RUN_SUPERSEDED']);
    expect((await stored()).kind).to.equal('absent');
  });

  it('takes the report while the run is not known yet', async () => {
    await api.records.observed.remove('one');
    expect((await put(report())).status).to.equal(200);
  });

  it('answers 404 when the workspace is not on record any more', async () => {
    await api.records.observed.remove('one');
    await api.records.desired.remove('one');
    expect((await put(report())).status).to.equal(404);
    expect((await stored()).kind).to.equal('absent');
  });

  it('answers 503 without a usable key, so that agents try again', async () => {
    const file = path.join(api.stateDir, 'secrets/agent-token.key');
    await writeFile(file, '');
    expect((await put(report())).status).to.equal(503);
    await rm(file);
    expect((await put(report())).status).to.equal(503);
  });
});
