import { expect } from 'chai';
import { generationOf } from '../../../shared/model/desired.js';
import { plan } from '../../../controller/plan/plan.js';
import {
  conditionOf,
  declare,
  EMPTY_WORLD,
  fullWorld,
  inputOf,
  NOW,
  reportOf,
  task,
} from '../../support/planning.js';

const types = (actions: { type: string }[]) => actions.map((action) => action.type);

describe('plan: starting', () => {
  const desired = declare();

  it('begins with the network and a new run', () => {
    const { observed, actions } = plan(inputOf(desired, EMPTY_WORLD));
    expect(types(actions)).to.deep.equal(['createNetwork']);
    expect(observed).to.include({ phase: 'starting', runId: 'run-2', startedAt: null });
    expect(observed?.acceptedAt).to.equal(NOW.toISOString());
  });

  it('keeps in mind when it was stopped before, over containers that are only replaced', () => {
    const first = plan(inputOf(desired, EMPTY_WORLD)).observed;
    const stoppedAt = '2026-01-01T00:00:00.000Z';
    const stopped = first && { ...first, phase: 'stopped' as const, stoppedAt, observedGeneration: 'before' };
    const again = plan(inputOf(desired, EMPTY_WORLD, { observed: stopped })).observed;
    expect(again).to.include({ stoppedAt: null, lastStoppedAt: stoppedAt });
    const replaced = again && { ...again, stoppingAt: stoppedAt, observedGeneration: 'before' };
    const third = plan(inputOf(desired, EMPTY_WORLD, { observed: replaced, nextRunId: 'run-9' })).observed;
    expect(third).to.include({ runId: 'run-9', lastStoppedAt: stoppedAt });
  });

  it('makes the service and attaches the gateway side by side', () => {
    const world = { ...EMPTY_WORLD, network: fullWorld(desired).network };
    expect(types(plan(inputOf(desired, world)).actions)).to.deep.equal(['createService', 'attachGateway']);
  });

  it('keeps the run of a start that was interrupted before its service was made', () => {
    const first = plan(inputOf(desired, EMPTY_WORLD));
    const again = plan(inputOf(desired, EMPTY_WORLD, { observed: first.observed, nextRunId: 'run-3' }));
    expect(again.observed?.runId).to.equal('run-2');
  });

  it('says running only when all three URLs answered', () => {
    const waiting = fullWorld(desired, {
      routes: { vnc: null, code: { by: 'workspace', message: 'status 502' }, web: null },
    });
    const before = plan(inputOf(desired, waiting, { report: reportOf('ready') }));
    expect(before.observed).to.include({ phase: 'starting', startedAt: null });
    expect(before.observed?.message).to.contain('code (status 502)');
    expect(before.requeueAfterMs).to.be.a('number');

    const after = plan(inputOf(desired, fullWorld(desired), { observed: before.observed }));
    expect(after.observed).to.include({ phase: 'running', startedAt: NOW.toISOString() });
    expect(after.requeueAfterMs, 'until the next health check').to.equal(30_000);
    expect(after.actions).to.deep.equal([]);
  });

  it('changes nothing while all is as it should be', () => {
    const { observed } = plan(inputOf(desired, fullWorld(desired)));
    const quiet = fullWorld(desired, { routes: null });
    const later = new Date(NOW.getTime() + 60_000);
    const again = plan(inputOf(desired, quiet, { observed, now: later }));
    expect(again.observed).to.deep.equal(observed);
    expect(again.actions).to.deep.equal([]);
  });

  it('attaches a gateway that was replaced, and proves the routes anew', () => {
    const { observed } = plan(inputOf(desired, fullWorld(desired)));
    const world = fullWorld(desired, {
      gateway: { containerId: 'gateway-2', attached: false },
      routes: null,
    });
    const { actions, observed: after } = plan(inputOf(desired, world, { observed }));
    expect(actions).to.deep.equal([
      { type: 'attachGateway', network: world.network, containerId: 'gateway-2' },
    ]);
    expect(after?.phase).to.equal('running');
    expect(conditionOf(after, 'RoutesReady')?.status).to.equal('False');
  });

  it('says so when no gateway runs', () => {
    const world = fullWorld(desired, { gateway: null, routes: null });
    const { observed } = plan(inputOf(desired, world));
    expect(conditionOf(observed, 'GatewayAttached')).to.include({ status: 'False', reason: 'NoGateway' });
  });

  it("gives up with the S3 error's words when the agent's restore failed for good", () => {
    const world = fullWorld(desired, { routes: null });
    const report = reportOf('failed', { message: 'NoSuchBucket: the bucket demo does not exist' });
    const { observed, actions } = plan(inputOf(desired, world, { report }));
    expect(actions).to.deep.equal([]);
    expect(observed?.halt).to.deep.include({ reason: 'StartFailed', generation: generationOf(desired) });
    expect(observed?.message).to.contain('NoSuchBucket');
  });

  it('ignores the report of another run', () => {
    const world = fullWorld(desired, { routes: null });
    const report = reportOf('failed', { runId: 'run-0', message: 'old' });
    expect(plan(inputOf(desired, world, { report })).observed?.halt).to.equal(null);
  });

  it('gives up after the deadline and tells what it waited for', () => {
    const world = fullWorld(desired, {
      tasks: [task({ state: 'pending', error: 'no suitable node' })],
      routes: null,
    });
    const first = plan(inputOf(desired, world));
    const late = new Date(NOW.getTime() + 300_000);
    const { observed } = plan(inputOf(desired, world, { observed: first.observed, now: late }));
    expect(observed?.halt?.reason).to.equal('StartFailed');
    expect(observed?.message).to.contain('no suitable node');
  });

  it('halts as Crashed when Swarm has used up its attempts after it had run', () => {
    const running = plan(inputOf(desired, fullWorld(desired)));
    const tasks = [1, 2, 3, 4].map((n) =>
      task({
        id: `task-${n}`,
        state: 'failed',
        desiredState: 'shutdown',
        error: 'task: non-zero exit (137)',
      }),
    );
    const world = fullWorld(desired, { tasks, routes: null });
    const { observed } = plan(inputOf(desired, world, { observed: running.observed }));
    expect(observed?.halt).to.include({ reason: 'Crashed' });
    expect(observed?.message).to.contain('137');
  });

  it('does not halt while Swarm is about to try again', () => {
    const tasks = [
      task({ state: 'failed', desiredState: 'shutdown', error: 'task: non-zero exit (1)' }),
      task({ id: 'task-2', state: 'ready', desiredState: 'ready', createdAt: '2026-01-01T11:59:30.000Z' }),
    ];
    const { observed } = plan(inputOf(desired, fullWorld(desired, { tasks, routes: null })));
    expect(observed?.halt).to.equal(null);
    expect(observed?.phase).to.equal('starting');
  });

  it('keeps the last valid declaration in force while the file is broken', () => {
    const { observed } = plan(inputOf(desired, fullWorld(desired)));
    const declaration = { kind: 'invalid', reason: 'Malformed', message: 'demo.yaml:3: bad' } as const;
    const after = plan(inputOf(null, fullWorld(desired, { routes: null }), { observed, declaration }));
    expect(after.observed?.phase).to.equal('running');
    expect(conditionOf(after.observed, 'SpecValid')).to.include({
      status: 'False',
      message: 'demo.yaml:3: bad',
    });
    expect(after.actions).to.deep.equal([]);
  });

  it('records a file that never was valid as stopped, with the reason', () => {
    const declaration = { kind: 'invalid', reason: 'Malformed', message: 'demo.yaml:3: bad' } as const;
    const { observed, actions } = plan(inputOf(null, EMPTY_WORLD, { declaration }));
    expect(observed?.phase).to.equal('stopped');
    expect(conditionOf(observed, 'SpecValid')?.status).to.equal('False');
    expect(actions).to.deep.equal([]);
  });

  describe('out of memory', () => {
    const desired = declare({ resources: { cpus: 1, memoryBytes: 2 ** 29 } });
    const running = () => plan(inputOf(desired, fullWorld(desired))).observed;

    it('is named when the container was killed for it until the attempts were used up', () => {
      const failed = { state: 'failed', desiredState: 'shutdown', error: 'task: non-zero exit (137)' };
      const world = fullWorld(desired, { tasks: [task({ ...failed, outOfMemory: true })] });
      const { observed } = plan(inputOf(desired, world, { observed: running() }));
      expect(observed?.halt?.reason).to.equal('OutOfMemory');
      expect(observed?.message).to.contain('512 MiB');
      const other = fullWorld(desired, { tasks: [task(failed)] });
      expect(plan(inputOf(desired, other, { observed: running() })).observed?.halt?.reason).to.equal(
        'Crashed',
      );
    });

    it('of some processes is told, and the workspace goes on', () => {
      const report = reportOf('ready', { oomKills: 2 });
      const { observed } = plan(inputOf(desired, fullWorld(desired), { observed: running(), report }));
      expect(conditionOf(observed, 'WithinMemory')).to.deep.include({
        status: 'False',
        reason: 'OutOfMemory',
      });
      expect(observed?.phase).to.equal('running');
      expect(observed?.message).to.contain('2 processes');
    });
  });

  describe('with too little memory on the host', () => {
    const world = { ...EMPTY_WORLD, freeBytes: 100 * 1024 ** 2 };

    it('waits, says so, and does not use up the time to start in', () => {
      const desired = declare();
      const { observed, actions, requeueAfterMs } = plan(inputOf(desired, world));
      expect(actions).to.deep.equal([]);
      expect(observed).to.deep.include({ phase: 'starting', acceptedAt: null });
      expect(conditionOf(observed, 'Admitted')).to.deep.include({
        status: 'False',
        reason: 'MemoryPressure',
      });
      expect(observed?.message).to.contain('256 MiB').and.contain('100 MiB').and.contain('90 %');
      expect(requeueAfterMs).to.equal(5_000);
      const hourLater = new Date(NOW.getTime() + 3_600_000);
      const later = plan(inputOf(desired, world, { observed, now: hourLater }));
      expect(later.observed?.halt).to.equal(null);
      const room = { ...world, freeBytes: 1024 ** 3 };
      const begun = plan(inputOf(desired, room, { observed: later.observed, now: hourLater }));
      expect(begun.actions.map(({ type }) => type)).to.deep.equal(['createNetwork']);
      expect(begun.observed?.acceptedAt).to.equal(hourLater.toISOString());
    });

    it('does not wait for more than it may take', () => {
      const small = declare({ resources: { cpus: 1, memoryBytes: 128 * 1024 ** 2 } });
      expect(plan(inputOf(small, { ...world, freeBytes: 128 * 1024 ** 2 })).actions).not.to.deep.equal([]);
    });

    it('leaves what runs alone', () => {
      const desired = declare();
      const { observed } = plan(inputOf(desired, fullWorld(desired, { freeBytes: 0 })));
      expect(observed?.phase).to.equal('running');
    });
  });
});
