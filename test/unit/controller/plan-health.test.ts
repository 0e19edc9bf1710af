import { expect } from 'chai';
import { healthIsDue } from '../../../controller/plan/health.js';
import { withHistory } from '../../../controller/plan/history.js';
import { plan } from '../../../controller/plan/plan.js';
import type { Plan, PlanInput, World } from '../../../controller/plan/types.js';
import type { RouteFindings } from '../../../controller/ports/prober.js';
import type { Observed } from '../../../shared/model/observed.js';
import {
  conditionOf,
  declare,
  EMPTY_WORLD,
  fullWorld,
  inputOf,
  NOW,
  POLICY,
  reportOf,
} from '../../support/planning.js';

const MINUTE = 60_000;
const INTERVAL = POLICY.healthIntervalMs;
const ALL_WELL: RouteFindings = { vnc: null, code: null, web: null };
const NO_CODE: RouteFindings = { ...ALL_WELL, code: { by: 'workspace', message: 'status 502' } };

/** A workspace that has run since NOW, checked again and again. */
class Checked {
  private readonly desired = declare({ idle: 'off' });
  private ms = 0;
  private runId = 'run-1';
  last: Plan;

  constructor() {
    this.last = plan(inputOf(this.desired, this.world(ALL_WELL)));
  }

  get observed(): Observed {
    return this.last.observed as Observed;
  }

  /** One check after the other, as far apart as they are in life. */
  check(findings: RouteFindings | null, times = 1, change: Partial<PlanInput> = {}): this {
    for (let i = 0; i < times; i++) {
      this.ms += INTERVAL;
      this.look(this.world(findings), change);
    }
    return this;
  }

  setClock(byMs: number): this {
    this.ms += byMs;
    return this;
  }

  look(world: World, change: Partial<PlanInput> = {}): this {
    const now = new Date(NOW.getTime() + this.ms);
    const report = reportOf('ready', { runId: this.runId, receivedAt: now.toISOString() });
    this.last = plan(inputOf(this.desired, world, { observed: this.observed, now, report, ...change }));
    this.last.observed &&= withHistory(null, this.last.observed, now);
    return this;
  }

  /** Takes the run down as the plan wants it, and lets the next one come up. */
  comeUpAgain(): this {
    this.look({ ...EMPTY_WORLD, volumes: [] }, { nextRunId: 'run-2' });
    this.runId = 'run-2';
    return this.look(this.world(ALL_WELL));
  }

  world(routes: RouteFindings | null): World {
    const world = fullWorld(this.desired, { routes });
    return { ...world, service: world.service && { ...world.service, runId: this.runId } };
  }
}

describe('plan: health of a running workspace (R8)', () => {
  it('is healthy from the proof of its URLs on, and is checked every 30 s', () => {
    const { last, observed } = new Checked();
    expect(observed.health).to.deep.include({ status: 'healthy', checkedAt: NOW.toISOString(), failures: 0 });
    expect(conditionOf(observed, 'Healthy')).to.deep.include({ status: 'True', reason: 'Passing' });
    expect(last.requeueAfterMs).to.equal(INTERVAL);
    const at = (ms: number) => healthIsDue(observed, new Date(NOW.getTime() + ms), POLICY);
    expect([at(0), at(INTERVAL - 1), at(INTERVAL)]).to.deep.equal([false, false, true]);
  });

  it('fails when code-server does not answer, and passes again when it does', () => {
    const checked = new Checked().check(NO_CODE);
    expect(checked.observed.health).to.deep.include({ status: 'failing', failures: 1, passingSince: null });
    expect(conditionOf(checked.observed, 'Healthy')).to.deep.include({ status: 'True', reason: 'Failing' });
    checked.check(NO_CODE).check(ALL_WELL);
    expect(checked.observed.health).to.deep.include({ status: 'healthy', failures: 0 });
    checked.check(NO_CODE, 2);
    expect(checked.observed.unhealthyRestart).to.equal(null);
  });

  it('only says so when another service than code-server does not answer', () => {
    const findings = { ...ALL_WELL, vnc: { by: 'workspace', message: 'status 502' } } as const;
    const { observed, last } = new Checked().check(findings, 10);
    expect(observed.health).to.deep.include({ status: 'degraded', failures: 0 });
    expect(observed.health?.message).to.contain('vnc (status 502)');
    expect(last.actions).to.deep.equal([]);
    expect(observed.unhealthyRestart).to.equal(null);
  });

  it('is unhealthy after three fails in a row, and restarted in order, once', () => {
    const checked = new Checked().check(NO_CODE, 3);
    expect(checked.observed.health).to.deep.include({ status: 'unhealthy', failures: 3 });
    expect(conditionOf(checked.observed, 'Healthy')).to.deep.include({ status: 'False' });
    expect(checked.last.requeueAfterMs).to.equal(0);
    checked.look(checked.world(null));
    expect(checked.last.actions.map(({ type }) => type)).to.deep.equal(['scaleToZero']);
    expect(checked.observed).to.deep.include({ phase: 'stopping', shutdownReason: 'Unhealthy' });
    checked.comeUpAgain();
    expect(checked.observed).to.deep.include({ phase: 'running', runId: 'run-2', shutdownReason: null });
    expect(checked.observed.health?.status).to.equal('healthy');

    checked.check(NO_CODE, 30);
    expect(checked.observed.phase, 'it is left for a person').to.equal('running');
    expect(checked.last.actions).to.deep.equal([]);
    expect(conditionOf(checked.observed, 'Healthy')?.message).to.contain('a person has to look');
  });

  it('may be restarted again after ten healthy minutes', () => {
    const checked = new Checked().check(NO_CODE, 3).comeUpAgain();
    checked.check(ALL_WELL, (10 * MINUTE) / INTERVAL - 1).check(NO_CODE, 3);
    expect(checked.observed.unhealthyRestart?.runId).to.equal('run-1');
    checked.check(ALL_WELL, (10 * MINUTE) / INTERVAL + 1);
    expect(checked.observed.unhealthyRestart).to.equal(null);
    checked.check(NO_CODE, 3);
    expect(checked.observed.unhealthyRestart?.runId).to.equal('run-2');
  });

  it('is not judged by what the gateway cannot do, nor while its files are restored', () => {
    const gateway = { ...ALL_WELL, code: { by: 'gateway', message: 'ECONNREFUSED' } } as const;
    const checked = new Checked().check(gateway, 2);
    expect(checked.observed.health).to.deep.include({ status: 'healthy', checkedAt: NOW.toISOString() });
    expect(checked.last.requeueAfterMs).to.equal(5_000);
    // The container that runs now has said nothing yet.
    const earlier = new Date(NOW.getTime() - 10 * MINUTE).toISOString();
    checked.check(NO_CODE, 4, { report: reportOf('ready', { receivedAt: earlier }) });
    checked.check(NO_CODE, 20, { report: reportOf('restoring') });
    expect(checked.observed.health?.failures).to.equal(0);
    checked.check(NO_CODE, 1, { report: reportOf('ready') });
    expect(checked.observed.health?.failures).to.equal(1);
  });

  it('is judged without the agent’s word once it had time enough to start', () => {
    const checked = new Checked().check(NO_CODE, 8, { report: null });
    expect(checked.observed.health?.failures).to.equal(0);
    checked.check(NO_CODE, 3, { report: null });
    expect(checked.observed.health?.status).to.equal('unhealthy');
  });

  it('is checked as before after the clock was set back by a day', () => {
    const checked = new Checked().setClock(-24 * 60 * MINUTE).check(NO_CODE);
    expect(checked.observed.health).to.include({ failures: 1 });
    expect(checked.last.requeueAfterMs).to.equal(INTERVAL);
    checked.check(NO_CODE, 2, { report: null });
    expect(checked.observed.health?.status).to.equal('unhealthy');
  });

  it('gets another restart when somebody starts it anew', () => {
    const checked = new Checked().check(NO_CODE, 3).comeUpAgain();
    expect(checked.observed.unhealthyRestart).not.to.equal(null);
    const gone = { ...EMPTY_WORLD, volumes: [] };
    const stopped = { ...checked.observed, phase: 'stopped' as const, stoppedAt: NOW.toISOString() };
    checked.look(gone, { nextRunId: 'run-3', observed: stopped });
    expect(checked.observed).to.deep.include({ runId: 'run-3', unhealthyRestart: null });
  });

  it('gets another restart also when somebody restarts it while it runs', () => {
    const checked = new Checked().check(NO_CODE, 3).comeUpAgain();
    expect(checked.observed.unhealthyRestart?.runId).to.equal('run-1');
    const declaration = declare({ idle: 'off' }, { startRequestedAt: NOW.toISOString() });
    const change = { declaration: { kind: 'valid', desired: declaration } } as const;
    checked.look(checked.world(null), change);
    expect(checked.last.actions.map(({ type }) => type)).to.deep.equal(['scaleToZero']);
    checked.look({ ...EMPTY_WORLD, volumes: [] }, { ...change, nextRunId: 'run-3' });
    expect(checked.observed).to.include({ runId: 'run-3', unhealthyRestart: null });
  });

  it('gets none because its service got lost meanwhile', () => {
    const checked = new Checked().check(NO_CODE, 3).comeUpAgain();
    checked.look({ ...EMPTY_WORLD, volumes: [] }, { nextRunId: 'run-3' });
    expect(checked.observed.runId).to.equal('run-3');
    expect(checked.observed.unhealthyRestart?.runId).to.equal('run-1');
  });
});
