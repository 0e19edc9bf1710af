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
    const waiting = fullWorld(desired, { routes: { vnc: null, code: 'status 502', web: null } });
    const before = plan(inputOf(desired, waiting, { report: reportOf('ready') }));
    expect(before.observed).to.include({ phase: 'starting', startedAt: null });
    expect(before.observed?.message).to.contain('code (status 502)');
    expect(before.requeueAfterMs).to.be.a('number');

    const after = plan(inputOf(desired, fullWorld(desired), { observed: before.observed }));
    expect(after.observed).to.include({ phase: 'running', startedAt: NOW.toISOString() });
    expect(after.requeueAfterMs, 'until the warning of the idle stop').to.equal(480_000);
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
});
