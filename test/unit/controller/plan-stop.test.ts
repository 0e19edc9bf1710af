import { expect } from 'chai';
import { readDeclaration } from '../../../controller/plan/declaration.js';
import { plan } from '../../../controller/plan/plan.js';
import { receiptToVerify } from '../../../controller/plan/receipt.js';
import type { Plan, World } from '../../../controller/plan/types.js';
import { isMoving } from '../../../controller/runtime/controller.js';
import type { Observed } from '../../../shared/model/observed.js';
import {
  ID,
  POLICY,
  conditionOf,
  declare,
  EMPTY_WORLD,
  fullWorld,
  inputOf,
  names,
  NOW,
  reportOf,
  saved,
  task,
} from '../../support/planning.js';

describe('plan: stopping', () => {
  const desired = declare();
  const deleted = declare({}, { deletionRequestedAt: NOW.toISOString() });
  const running = plan(inputOf(desired, fullWorld(desired))).observed;
  const scaled = { ...fullWorld(desired).service!, replicas: 0 };
  const finished = reportOf('finished', { finalSync: saved });

  const stop = (
    world: World,
    change: Partial<{ observed: Observed | null; report: typeof finished | null }> = {},
  ): Plan => plan(inputOf(deleted, world, { observed: running, report: finished, ...change }));

  it('asks the container to end before anything else', () => {
    const { actions, observed } = stop(fullWorld(desired));
    expect(actions).to.deep.equal([{ type: 'scaleToZero', serviceId: 'service-1' }]);
    expect(observed).to.include({ phase: 'stopping', shutdownReason: 'UserRequest' });
  });

  it('removes nothing while the container winds down: its files go through the network', () => {
    const tasks = [task({ desiredState: 'remove' })];
    expect(stop(fullWorld(desired, { service: scaled, tasks })).actions).to.deep.equal([]);
  });

  it('leaves a service alone while Swarm itself removes its tasks', () => {
    const tasks = [task({ state: 'complete', desiredState: 'remove' })];
    expect(stop(fullWorld(desired, { service: scaled, tasks })).actions).to.deep.equal([]);
  });

  it('removes service, then network and volumes', () => {
    const gone = fullWorld(desired, { service: scaled, tasks: [] });
    expect(stop(gone).actions).to.deep.equal([{ type: 'removeService', serviceId: 'service-1' }]);
    const rest = fullWorld(desired, { service: null, tasks: [] });
    expect(stop(rest).actions.map((action) => action.type)).to.deep.equal([
      'removeNetwork',
      'removeVolume',
      'removeVolume',
    ]);
  });

  it('is stopped when nothing is left, and says since when', () => {
    const { observed, actions, requeueAfterMs } = stop({ ...EMPTY_WORLD, receipt: { kind: 'verified' } });
    expect(actions).to.deep.equal([]);
    expect(requeueAfterMs, 'until it is archived').to.equal(86_400_000);
    expect(observed).to.include({ phase: 'stopped', stoppedAt: NOW.toISOString() });
    expect(conditionOf(observed, 'FinalSyncVerified')?.status).to.equal('True');
    const later = new Date(NOW.getTime() + 1000);
    const again = plan(inputOf(deleted, EMPTY_WORLD, { observed, report: finished, now: later }));
    expect(again.observed).to.deep.equal(observed);
  });

  it('keeps volumes that are newer than the record, which a backup brought back, and rescues them', () => {
    const { observed: old } = stop({ ...EMPTY_WORLD, receipt: { kind: 'verified' } });
    expect(old).to.include({ phase: 'stopped', receiptVerified: true });
    const world: World = { ...EMPTY_WORLD, volumes: Object.values(names.volumes(desired)) };
    const { actions, observed } = stop(world, { observed: old });
    expect(actions).to.deep.equal([]);
    expect(conditionOf(observed, 'FinalSyncVerified')?.status).to.equal('False');
    expect(observed?.rescue).to.include({ attempts: 0, runId: null });
    const later = new Date(Date.parse(observed?.rescue?.nextAt ?? ''));
    const due = plan(inputOf(deleted, world, { observed, report: finished, now: later }));
    expect(due.observed?.rescue?.attempts).to.equal(1);
    expect(due.actions, 'nothing goes meanwhile').to.deep.equal([]);
  });

  for (const [name, report] of [
    ['no report came', null],
    ['the report says that it failed', reportOf('finished', { finalSync: { ...saved, ok: false } })],
    ['the report is of another run', reportOf('finished', { runId: 'run-0', finalSync: saved })],
    ['the agent was killed while it ran', reportOf('ready')],
    ['the agent was killed while it restored again after a crash', reportOf('restoring')],
    ['the agent was killed while it started the services', reportOf('starting')],
    ['the agent was killed after a failed restore that may have followed a crash', reportOf('failed')],
  ] as const) {
    it(`keeps the volumes when ${name}`, () => {
      const rest = fullWorld(desired, { service: null, tasks: [] });
      expect(stop(rest, { report }).actions.map((action) => action.type)).to.deep.equal(['removeNetwork']);
      const left = { ...EMPTY_WORLD, volumes: rest.volumes };
      const { observed } = stop(left, { report });
      expect(observed?.phase).to.equal('stopped');
      expect(observed?.volumes).to.deep.equal(rest.volumes);
      expect(conditionOf(observed, 'FinalSyncVerified')?.status).to.equal('False');
    });
  }

  it('removes the volumes of a start that never got as far as files', () => {
    const starting = plan(inputOf(desired, EMPTY_WORLD)).observed;
    const rest = fullWorld(desired, { service: null, tasks: [], network: null });
    const { actions } = stop(rest, { observed: starting, report: null });
    expect(actions.map((action) => action.type)).to.deep.equal(['removeVolume', 'removeVolume']);
  });

  it('keeps the volumes of containers that ran and failed while nobody looked and no report came', () => {
    const starting = plan(inputOf(desired, EMPTY_WORLD)).observed;
    const failed = fullWorld(desired, { tasks: [task({ state: 'failed', desiredState: 'shutdown' })] });
    const down = stop(failed, { observed: starting, report: null }).observed;
    const rest = fullWorld(desired, { service: null, tasks: [], network: null });
    expect(stop(rest, { observed: down, report: null }).actions).to.deep.equal([]);
  });

  it('keeps volumes that an earlier run left unsaved, even if this run failed early', () => {
    const volumes = fullWorld(desired).volumes;
    const starting = plan(inputOf(desired, { ...EMPTY_WORLD, volumes })).observed;
    const report = reportOf('failed', { runId: 'run-2' });
    const { actions } = stop({ ...EMPTY_WORLD, volumes }, { observed: starting, report });
    expect(actions).to.deep.equal([]);
  });

  it('keeps the volumes of another bucket, which the final sync of this run says nothing about', () => {
    const other = Object.values(names.volumes(declare({ bucket: 'other' })));
    const own = Object.values(names.volumes(desired));
    const rest = fullWorld(desired, { service: null, tasks: [], network: null, volumes: [...own, ...other] });
    const { actions } = stop(rest);
    expect(actions).to.deep.equal(own.map((name) => ({ type: 'removeVolume', name })));
    const { observed } = stop({ ...EMPTY_WORLD, volumes: other });
    expect(observed?.volumes).to.deep.equal(other);
    expect(observed?.message).to.contain(other[0]);
  });

  it('goes by what the service mounts when the declaration names another bucket by now', () => {
    const changed = declare({ bucket: 'other' });
    const own = Object.values(names.volumes(desired));
    const first = plan(inputOf(changed, fullWorld(desired), { observed: running }));
    expect(first.observed?.runVolumes).to.deep.equal(own);
  });

  it('lifts a halt once somebody declared it stopped: it may start again', () => {
    const halt = { generation: running!.observedGeneration, reason: 'Crashed', message: 'x' } as const;
    const down = plan(inputOf(desired, EMPTY_WORLD, { observed: { ...running!, halt } }));
    const off = plan(inputOf(declare({ state: 'stopped' }), EMPTY_WORLD, { observed: down.observed }));
    expect(off.observed?.phase).to.equal('stopped');
    expect(plan(inputOf(desired, EMPTY_WORLD, { observed: off.observed })).observed?.phase).to.equal(
      'starting',
    );
  });

  it('remembers the confirmation when the report is gone', () => {
    const first = stop(fullWorld(desired, { service: scaled, tasks: [] }));
    const rest = fullWorld(desired, { service: null, tasks: [], network: null });
    const { actions } = stop(rest, { observed: first.observed, report: null });
    expect(actions).to.have.length(2);
  });

  it('takes down what a removed file leaves behind', () => {
    const { actions, observed } = plan(inputOf(null, fullWorld(desired), { observed: running }));
    expect(actions.map((action) => action.type)).to.deep.equal(['scaleToZero']);
    expect(observed?.shutdownReason).to.equal('OperatorRequest');
  });

  it('obeys an end that is declared with an image no longer allowed', () => {
    const read = (desired: typeof deleted) =>
      readDeclaration(ID, { kind: 'valid', value: desired, etag: '' }, { ...POLICY, allowedImages: [] }).kind;
    expect(read(deleted)).to.equal('valid');
    expect(read(declare({ state: 'stopped' }))).to.equal('valid');
    expect(read(desired)).to.equal('invalid');
  });

  it('takes down an orphan but never its volumes, and makes no record', () => {
    const { observed, actions } = plan(inputOf(null, fullWorld(desired, { service: null, tasks: [] })));
    expect(observed).to.equal(null);
    expect(actions.map((action) => action.type)).to.deep.equal(['removeNetwork']);
  });

  it('ends the old container in order before a changed declaration starts', () => {
    const changed = declare({ resources: { cpus: 1, memoryBytes: 1024 ** 3 } });
    const first = plan(inputOf(changed, fullWorld(desired), { observed: running }));
    expect(first.actions.map((action) => action.type)).to.deep.equal(['scaleToZero']);
    expect(first.observed?.phase).to.equal('stopping');
    const gone = fullWorld(desired, { service: null, tasks: [], volumes: [], routes: null });
    const next = plan(inputOf(changed, gone, { observed: first.observed, report: finished }));
    expect(next.actions.map((action) => action.type)).to.contain('createService');
    expect(next.observed).to.include({ phase: 'starting', runId: 'run-2', startedAt: null });
  });

  it('stays stopped after it ended by itself, until somebody changes the declaration', () => {
    const halted = {
      ...running!,
      halt: { generation: running!.observedGeneration, reason: 'Crashed', message: 'x' },
    } as const;
    const down = plan(inputOf(desired, EMPTY_WORLD, { observed: halted }));
    expect(down.observed).to.include({ phase: 'stopped', shutdownReason: 'Crashed' });
    expect(plan(inputOf(desired, EMPTY_WORLD, { observed: down.observed })).actions).to.deep.equal([]);
    const changed = declare({ resources: { cpus: 1, memoryBytes: 1024 ** 3 } });
    expect(plan(inputOf(changed, EMPTY_WORLD, { observed: down.observed })).observed?.phase).to.equal(
      'starting',
    );
  });

  it('never deletes by force when it takes too long, but says so', () => {
    const tasks = [task({ desiredState: 'remove' })];
    const first = stop(fullWorld(desired, { service: scaled, tasks }));
    const late = new Date(NOW.getTime() + 600_001);
    const world = fullWorld(desired, { service: scaled, tasks });
    const { observed, actions } = plan(inputOf(deleted, world, { observed: first.observed, now: late }));
    expect(actions).to.deep.equal([]);
    expect(conditionOf(observed, 'Progressing')).to.include({ status: 'False', reason: 'DeadlineExceeded' });
  });

  it('does not believe what a container said before Swarm started another one for the same run', () => {
    const at = new Date(NOW.getTime() - 30_000).toISOString();
    const report = reportOf('finished', { finalSync: { ...saved, at } });
    const again = [task({ id: 'task-2', createdAt: NOW.toISOString() })];
    const rest = fullWorld(desired, { service: null, tasks: [], network: null });
    const end = (observed: Observed | null) => stop(rest, { observed, report });
    const types = ({ actions }: Plan) => actions.map(({ type }) => type);
    expect(types(end(stop(fullWorld(desired), { report }).observed))).to.deep.equal([
      'removeVolume',
      'removeVolume',
    ]);
    // The second one was seen while the workspace was to run, or not before its stop.
    const seen = plan(inputOf(desired, fullWorld(desired, { tasks: again }), { observed: running, report }));
    const asked = stop(fullWorld(desired, { tasks: again }), { report });
    for (const { observed } of [seen, asked]) {
      const { actions, observed: after } = end(observed);
      expect(actions).to.deep.equal([]);
      expect(conditionOf(after, 'FinalSyncVerified')?.message).to.contain('started again afterwards');
      expect(after?.rescue).not.to.equal(null);
      expect(receiptToVerify({ ...rest, receipt: null }, observed, report)).to.equal(null);
      const heard = reportOf('finished', { finalSync: saved });
      expect(types(stop(rest, { observed, report: heard }))).to.include('removeVolume');
    }
  });

  it('ends a service that somebody scaled up, since two containers write to one volume, and starts it anew', () => {
    const look = (world: World) => plan(inputOf(desired, world, { observed: running })).actions;
    const twice = { ...fullWorld(desired).service!, replicas: 2 };
    const tasks = [task(), task({ id: 'task-2' })];
    const types = (world: World) => look(world).map(({ type }) => type);
    expect(types(fullWorld(desired, { service: twice, tasks }))).to.deep.equal(['scaleToZero']);
    expect(types(fullWorld(desired, { service: scaled, tasks }))).to.deep.equal([]);
    expect(types(fullWorld(desired, { service: scaled, tasks: [] }))).to.deep.equal(['removeService']);
    expect(types(fullWorld(desired, { service: null, tasks: [] }))).to.deep.equal(['createService']);
    const nextAt = NOW.toISOString();
    const observed = { ...running!, rescue: { attempts: 1, nextAt, runId: 'run-1' } };
    const rescue = stop(fullWorld(desired, { service: { ...twice, generation: 'rescue' }, tasks }), {
      ...{ observed, report: null },
    });
    expect(rescue.actions.map(({ type }) => type)).to.deep.equal(['scaleToZero']);
  });

  it('is looked at now and then once it is overdue, and names what is held', () => {
    const overdue = new Date(NOW.getTime() + POLICY.stopDeadlineMs + 1);
    const look = (change: Partial<World>) => {
      const world = fullWorld(desired, { service: null, tasks: [], ...change });
      const before = stop(world).observed;
      return plan(inputOf(deleted, world, { observed: before, report: finished, now: overdue }));
    };
    const messageOf = ({ observed }: Plan) => conditionOf(observed, 'Progressing')?.message;
    const held = look({ network: null });
    expect(held.requeueAfterMs).to.equal(5000);
    expect(messageOf(held)).to.contain(`volume ${Object.values(names.volumes(desired)).join(', ')} is still`);
    expect(messageOf(look({}))).to.contain('network berth-ws-demo is still');
    expect(isMoving(stop(fullWorld(desired)).observed!)).to.equal(true);
    expect(isMoving(held.observed!), 'the engine need not be asked all the time').to.equal(false);
  });
});
