import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect } from 'chai';
import { signAgentToken } from '../../../shared/agent-token.js';
import type { Desired } from '../../../shared/model/desired.js';
import { FakeClock } from '../../fakes/clock.js';
import { desired, observed, report, stopped } from '../../unit/api/fixtures.js';
import { TestApi } from './support.js';

const AGENT_KEY = 'ab'.repeat(32);
const STARTED = '2026-01-02T03:04:07.000Z';
const ACTIVE = '2026-01-02T03:10:00.000Z';
/** Ten minutes after that. */
const IDLE = '2026-01-02T03:20:00.000Z';

describe('idle stop over the API (R5)', () => {
  let api: TestApi;
  let clock: FakeClock;
  let token: string;
  beforeEach(async () => {
    clock = new FakeClock(IDLE);
    api = await TestApi.start({ clock });
    await mkdir(path.join(api.stateDir, 'secrets'));
    await writeFile(path.join(api.stateDir, 'secrets/agent-token.key'), `${AGENT_KEY}\n`);
    token = await signAgentToken({ id: 'one', runId: 'run-1' }, AGENT_KEY);
    await declare(desired());
  });
  afterEach(() => api.stop());

  async function declare(value: Desired): Promise<void> {
    await api.records.desired.write('one', value);
    await api.records.observed.write('one', observed(value, { startedAt: STARTED }));
  }
  const put = (target: string, body: unknown) =>
    api.call('PUT', `/agent/${target}`, { body, authorization: `Bearer ${token}` });
  const activity = (lastAt: string) => [{ signal: 'files', lastAt }];
  const shutDown = (lastAt: string, change: object = {}) =>
    put('shutdown', { runId: 'run-1', reason: 'Inactivity', activity: activity(lastAt), ...change });
  async function spec(): Promise<Desired['spec']> {
    const read = await api.records.desired.read('one');
    if (read.kind !== 'valid') throw new Error(`the declaration is ${read.kind}`);
    return read.value.spec;
  }

  describe('PUT /agent/shutdown', () => {
    it('declares the workspace as stopped, with the reason and since when nobody worked', async () => {
      const { status, body } = await shutDown(ACTIVE);
      expect([status, body['accepted']]).to.deep.equal([200, true]);
      expect(await spec()).to.deep.include({ state: 'stopped', stopReason: 'Inactivity', idleSince: ACTIVE });
    });

    const refusals: [string, () => Promise<unknown>][] = [
      ['it is too early', () => clock.advance(-1)],
      [
        'the newest report tells of work that the signal does not know of',
        () => put('report', report({ activity: [{ signal: 'files', lastAt: '2026-01-02T03:10:01.000Z' }] })),
      ],
      [
        'somebody has extended the time',
        () => api.call('POST', '/api/containers/one/extend', { body: { for: '1m' } }),
      ],
      ['its declaration does not want it', () => declare(desired('one', { spec: { idle: 'off' } }))],
      ['it is to be stopped anyway', () => declare(desired('one', { spec: { state: 'stopped' } }))],
      [
        'it does not run yet',
        () => api.records.observed.write('one', observed(desired(), { startedAt: null })),
      ],
    ];
    for (const [name, arrange] of refusals) {
      it(`is refused when ${name}, and answered with what holds`, async () => {
        await arrange();
        const before = await spec();
        const { status, body } = await shutDown(ACTIVE);
        expect([status, body['accepted']]).to.deep.equal([200, false]);
        expect(body['idle']).to.have.property('timeoutMs');
        expect(await spec()).to.deep.equal(before);
      });
    }

    it('answers 400 to another reason, 409 to a run that is over, 405 to other methods', async () => {
      expect((await shutDown(ACTIVE, { reason: 'Boredom' })).status).to.equal(400);
      await api.records.observed.write('one', observed(desired(), { runId: 'run-2' }));
      expect((await shutDown(ACTIVE)).status).to.equal(409);
      expect((await api.call('POST', '/agent/shutdown', { body: {} })).status).to.equal(405);
    });
  });

  describe('work after the stop was declared', () => {
    beforeEach(() => shutDown(ACTIVE));
    const working = (state: 'ready' | 'stopping') =>
      report({ state, activity: [{ signal: 'files', lastAt: IDLE }] });

    it('takes it back', async () => {
      await put('report', working('ready'));
      const now = await spec();
      expect(now.state).to.equal('running');
      expect(now).not.to.have.any.keys('stopReason', 'idleSince');
    });

    it('does not, when it is the end’s own', async () => {
      await put('report', working('stopping'));
      expect((await spec()).state).to.equal('stopped');
    });

    it('does not take back what a person asked for meanwhile', async () => {
      await api.call('DELETE', '/api/containers/one');
      await put('report', working('ready'));
      const read = await api.records.desired.read('one');
      expect(read.kind === 'valid' && read.value.metadata.deletionRequestedAt).to.be.a('string');
    });
  });

  describe('the view', () => {
    it('says why it is alive and until when', async () => {
      await put('report', report({ activity: [{ signal: 'files', lastAt: ACTIVE }] }));
      const { body } = await api.call('GET', '/api/containers/one');
      expect(body.activity).to.deep.equal([{ signal: 'files', lastAt: ACTIVE }]);
      expect(body.idleDeadline).to.equal(IDLE);
    });

    it('has no end where that is off, or it does not run', async () => {
      await declare(desired('one', { spec: { idle: 'off' } }));
      expect((await api.call('GET', '/api/containers/one')).body.idleDeadline).to.equal(null);
      const ended = desired('one', { spec: { state: 'stopped' } });
      await api.records.desired.write('one', ended);
      await api.records.observed.write('one', stopped(ended));
      expect((await api.call('GET', '/api/containers/one')).body.idleDeadline).to.equal(null);
    });
  });

  describe('POST …/extend', () => {
    const extend = (body: unknown) => api.call('POST', '/api/containers/one/extend', { body });

    it('keeps it for so long, an hour unless told, and never shortens what was granted', async () => {
      expect((await extend({ for: '3h' })).body.idleDeadline).to.equal('2026-01-02T06:20:00.000Z');
      expect((await extend({})).body.idleDeadline).to.equal('2026-01-02T06:20:00.000Z');
      expect((await extend({ for: '4h' })).body.idleDeadline).to.equal('2026-01-02T07:20:00.000Z');
    });

    for (const [body, field] of [
      [{ for: 'ever' }, 'for'],
      [{ for: 5 }, 'for'],
      [{ until: '1h' }, 'until'],
    ] as const) {
      it(`answers 400 to ${JSON.stringify(body)}`, async () => {
        const answer = await extend(body);
        expect([answer.status, answer.body.errors?.[0]?.field]).to.deep.equal([400, field]);
      });
    }

    it('answers 409 when it does not run, 404 when there is none', async () => {
      const ended = desired('one', { spec: { state: 'stopped' } });
      await api.records.desired.write('one', ended);
      await api.records.observed.write('one', stopped(ended));
      const { status, body } = await extend({});
      expect([status, body.code]).to.deep.equal([409, 'BERTH_NOT_RUNNING']);
      expect((await api.call('POST', '/api/containers/none/extend', { body: {} })).status).to.equal(404);
    });
  });

  describe('POST …/start of a stopped one', () => {
    const start = () => api.call('POST', '/api/containers/one/start');
    async function end(value: Desired): Promise<void> {
      await api.records.desired.write('one', value);
      await api.records.observed.write('one', stopped(value));
    }

    it('declares it anew, with the same id, URLs and place', async () => {
      await end(
        desired('one', {
          spec: { state: 'stopped', stopReason: 'Inactivity', idleSince: ACTIVE, prefix: 'p' },
        }),
      );
      const { status, body } = await start();
      expect(status).to.equal(202);
      expect(body).to.deep.include({ containerId: 'one', status: 'starting', prefix: 'p' });
      expect(await spec()).to.deep.equal(desired('one', { spec: { prefix: 'p' } }).spec);
    });

    it('also when its deletion was requested, or its file removed by hand', async () => {
      await end(desired('one', { metadata: { deletionRequestedAt: STARTED, discardUnsaved: true } }));
      expect((await start()).body.status).to.equal('starting');
      const read = await api.records.desired.read('one');
      expect(read.kind === 'valid' && read.value.metadata).not.to.have.any.keys(
        'deletionRequestedAt',
        'discardUnsaved',
      );
      await api.records.observed.write('one', stopped(desired()));
      await api.records.desired.remove('one');
      expect((await start()).body.status).to.equal('starting');
    });

    it('tries what had ended by itself again', async () => {
      await end(desired());
      expect((await start()).body.status).to.equal('starting');
    });

    it('changes nothing about one that runs', async () => {
      const before = await api.records.desired.read('one');
      const { status, body } = await start();
      expect([status, body.status]).to.deep.equal([200, 'running']);
      expect(await api.records.desired.read('one')).to.deep.equal(before);
    });

    it('answers 404 to an unknown one, 400 to a body with something in it, 405 to GET', async () => {
      expect((await api.call('POST', '/api/containers/none/start')).status).to.equal(404);
      expect((await api.call('POST', '/api/containers/one/start', { body: { x: 1 } })).status).to.equal(400);
      expect((await api.call('GET', '/api/containers/one/start')).status).to.equal(405);
    });
  });

  it('GET …/health tells what the last check found (R8.4)', async () => {
    await api.records.desired.write('one', desired());
    const get = async () => (await api.call('GET', '/api/containers/one/health')).body;
    expect(await get()).to.deep.include({ status: 'unknown', checkedAt: null });
    const services = { vnc: null, code: 'status 502', web: null };
    const found = {
      status: 'failing',
      checkedAt: STARTED,
      message: 'One failed.',
      services,
      failures: 1,
    } as const;
    await api.records.observed.write(
      'one',
      observed(desired(), { health: { ...found, passingSince: null } }),
    );
    expect(await get()).to.deep.equal(found);
    expect((await api.call('GET', '/api/containers/one')).body.health).to.deep.equal(found);
    expect((await api.call('GET', '/api/containers/none/health')).status).to.equal(404);
    expect((await api.call('POST', '/api/containers/one/health')).status).to.equal(405);
  });

  it('GET …/events tells what happened, of this workspace only', async () => {
    const event = {
      at: STARTED,
      type: 'Normal' as const,
      reason: 'Running',
      message: 'All three URLs answer.',
    };
    await api.records.observed.write('one', observed(desired(), { events: [event] }));
    const events = () => api.call('GET', '/api/containers/one/events');
    expect((await events()).body.items).to.deep.equal([event]);
    await api.records.observed.write('one', observed(desired(), { uid: 'earlier', events: [event] }));
    expect((await events()).body.items).to.deep.equal([]);
    expect((await api.call('GET', '/api/containers/none/events')).status).to.equal(404);
    expect((await api.call('DELETE', '/api/containers/one/events')).status).to.equal(405);
  });

  it('start takes what shall hold instead of the system’s rules, and refuses what is none', async () => {
    const rules = { idle: '45m', activity: ['files', 'cpu'], maxAge: '12h' };
    expect((await api.start({ bucketId: 'demo', name: 'two', ...rules })).status).to.equal(202);
    const read = await api.records.desired.read('two');
    expect(read.kind === 'valid' && read.value.spec).to.deep.include(rules);
    for (const [field, value] of [
      ['idle', 'never'],
      ['idle', 10],
      ['activity', []],
      ['activity', ['mouse']],
      ['maxAge', 'off'],
    ] as const) {
      const { status, body } = await api.start({ bucketId: 'demo', [field]: value });
      expect(status, `${field} ${String(value)}`).to.equal(400);
      expect(body.errors?.[0]?.field).to.match(new RegExp(`^${field}`));
    }
  });
});
