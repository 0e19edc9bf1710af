import { expect } from 'chai';
import { plan } from '../../../controller/plan/plan.js';
import type { PlanInput } from '../../../controller/plan/types.js';
import type { Desired } from '../../../shared/model/desired.js';
import type { StoredReport } from '../../../shared/model/report.js';
import { conditionOf, declare, fullWorld, inputOf, NOW, POLICY, reportOf } from '../../support/planning.js';

const MINUTE = 60_000;
const later = (ms: number) => new Date(NOW.getTime() + ms);
const files = (ms: number): StoredReport['activity'] => [
  { signal: 'files', lastAt: later(ms).toISOString() },
];

/** So far apart that they do not matter here. */
const policy = { ...POLICY, healthIntervalMs: 2000 * MINUTE };

/** Decides about a workspace that has run since NOW. */
function decide(desired: Desired, afterMs: number, change: Partial<PlanInput> = {}) {
  const running = declare({ ...desired.spec, state: 'running' });
  const { observed } = plan(inputOf(running, fullWorld(running), { policy }));
  return plan(inputOf(desired, fullWorld(running), { observed, now: later(afterMs), policy, ...change }));
}

const idleStop = (sinceMs: number) =>
  declare({ state: 'stopped', stopReason: 'Inactivity', idleSince: later(sinceMs).toISOString() });

describe('plan: a running workspace in which nobody works', () => {
  it('is looked at again when the warning is due', () => {
    const { observed, requeueAfterMs } = decide(declare(), MINUTE);
    expect(conditionOf(observed, 'Active')).to.deep.include({ status: 'True', reason: 'InUse' });
    expect(requeueAfterMs).to.equal(7 * MINUTE);
  });

  it('says two minutes before when it will be stopped', () => {
    const { observed, actions } = decide(declare(), 8 * MINUTE);
    expect(conditionOf(observed, 'Active')).to.deep.include({ status: 'False', reason: 'IdleSoon' });
    expect(observed?.message).to.contain(later(10 * MINUTE).toISOString());
    expect(observed?.phase).to.equal('running');
    expect(actions).to.deep.equal([]);
  });

  it('is in use again after a change', () => {
    const report = reportOf('ready', { activity: files(7 * MINUTE) });
    const { observed, requeueAfterMs } = decide(declare(), 8 * MINUTE, { report });
    expect(conditionOf(observed, 'Active')?.status).to.equal('True');
    expect(requeueAfterMs).to.equal(7 * MINUTE);
  });

  it('is left alone where that is off', () => {
    const { observed, requeueAfterMs } = decide(declare({ idle: 'off' }), 1000 * MINUTE);
    expect(conditionOf(observed, 'Active')).to.deep.include({ status: 'True', reason: 'IdleStopOff' });
    expect(requeueAfterMs, 'until the next health check').to.equal(1000 * MINUTE);
  });
});

describe('plan: a stop for inactivity', () => {
  it('is carried out, with its reason', () => {
    const { observed, actions } = decide(idleStop(0), 10 * MINUTE, { report: reportOf('ready') });
    expect(actions.map(({ type }) => type)).to.deep.equal(['scaleToZero']);
    expect(observed).to.deep.include({ phase: 'stopping', shutdownReason: 'Inactivity' });
    expect(observed?.message).to.contain('Nobody has worked in it since');
  });

  it('is not, once the newest report tells of work', () => {
    const report = reportOf('ready', { activity: files(10 * MINUTE) });
    const { observed, actions } = decide(idleStop(0), 10 * MINUTE, { report });
    expect(actions).to.deep.equal([]);
    expect(observed?.phase).to.equal('running');
  });

  it('is not, also where the record was lost', () => {
    const report = reportOf('ready', { activity: files(10 * MINUTE) });
    const { actions } = decide(idleStop(0), 10 * MINUTE, { report, observed: null });
    expect(actions).to.deep.equal([]);
  });

  it('goes on when the work is the end’s own, or another run’s', () => {
    const activity = files(10 * MINUTE);
    for (const report of [
      reportOf('stopping', { activity }),
      reportOf('ready', { activity, runId: 'run-0' }),
    ]) {
      const { observed } = decide(idleStop(0), 10 * MINUTE, { report });
      expect(observed?.phase).to.equal('stopping');
    }
  });
});

describe('plan: a greatest age', () => {
  it('ends a workspace whatever happens in it, once, until somebody starts it again', () => {
    const old = declare({ maxAge: '30m', idle: 'off' });
    expect(decide(old, 29 * MINUTE).requeueAfterMs).to.equal(MINUTE);
    const report = reportOf('ready', { activity: files(30 * MINUTE) });
    const { observed } = decide(old, 30 * MINUTE, { report });
    expect(observed?.halt?.reason).to.equal('MaxAge');
    const world = fullWorld(old);
    const next = plan(inputOf(old, world, { observed, now: later(30 * MINUTE) }));
    expect(next.actions.map(({ type }) => type)).to.deep.equal(['scaleToZero']);
    expect(next.observed).to.deep.include({ phase: 'stopping', shutdownReason: 'MaxAge' });
    const again = declare(old.spec, { startRequestedAt: later(31 * MINUTE).toISOString() });
    const empty = { ...world, service: null, tasks: [], network: null, volumes: [] };
    const started = plan(inputOf(again, empty, { observed: next.observed, now: later(31 * MINUTE) }));
    expect(started.observed).to.deep.include({ phase: 'starting', halt: null });
  });

  it('is the system’s where the declaration is silent', () => {
    const policy = { ...POLICY, maxAge: '5m' };
    expect(decide(declare(), 5 * MINUTE, { policy }).observed?.halt?.reason).to.equal('MaxAge');
    expect(decide(declare({ maxAge: '1h' }), 5 * MINUTE, { policy }).observed?.halt).to.equal(null);
  });
});
