import { expect } from 'chai';
import { plan } from '../../../controller/plan/plan.js';
import { receiptToVerify } from '../../../controller/plan/receipt.js';
import { placeToStartAt } from '../../../controller/plan/rival.js';
import type { Rival, World } from '../../../controller/plan/types.js';
import type { Observed } from '../../../shared/model/observed.js';
import {
  conditionOf,
  declare,
  EMPTY_WORLD,
  fullWorld,
  ID,
  inputOf,
  names,
  NOW,
  reportOf,
  saved,
  task,
} from '../../support/planning.js';

const later = (seconds: number) => new Date(NOW.getTime() + seconds * 1000);

describe('plan: what an ended run left on its volumes', () => {
  const desired = declare();
  const stopped = declare({}, { deletionRequestedAt: NOW.toISOString() });
  const volumes = Object.values(names.volumes(desired));
  const left: World = { ...EMPTY_WORLD, volumes };
  const network = fullWorld(desired).network;
  const running = plan(inputOf(desired, fullWorld(desired))).observed;
  const killed = reportOf('ready');

  /** The record after the container was killed and everything but the volumes is gone. */
  const unsaved = (): Observed => {
    const { observed } = plan(inputOf(stopped, left, { observed: running, report: killed }));
    return observed as Observed;
  };
  const look = (world: World, observed: Observed | null, change = {}) =>
    plan(inputOf(stopped, world, { observed, report: killed, ...change }));
  const begun = () => look(left, unsaved(), { now: later(6) }).observed as Observed;
  const rescueService = {
    ...fullWorld(desired).service!,
    runId: 'run-2',
    generation: 'rescue',
  };

  it('is saved by a rescue soon after, while the workspace is stopped', () => {
    const first = look(left, running);
    expect(first.observed).to.deep.include({
      phase: 'stopped',
      rescue: { attempts: 0, nextAt: later(5).toISOString(), runId: null },
    });
    expect(first.requeueAfterMs).to.equal(5000);
    expect(begun().rescue).to.deep.include({ attempts: 1, runId: 'run-2' });
    const step = look(left, begun(), { now: later(6) });
    expect(step.actions).to.deep.equal([{ type: 'createNetwork' }]);
    expect(step.observed?.phase).to.equal('stopped');
  });

  it('is saved by the agent alone, on the volumes and to the bucket of that run', () => {
    const { actions } = look({ ...left, network }, begun(), { now: later(7) });
    expect(actions.map((action) => action.type)).to.deep.equal(['createService', 'attachGateway']);
    const [create] = actions;
    expect(create?.type === 'createService' && create.request).to.deep.include({
      mode: 'rescue',
      runId: 'run-2',
      target: { bucket: 'demo', prefix: '' },
      volumes: names.volumes(desired),
    });
  });

  it('is saved with an image that may run, whatever the stopped workspace is declared with by now', () => {
    const strange = declare({ state: 'stopped', image: 'strange/image' });
    const observed = { ...begun(), declared: strange };
    const { actions } = plan(inputOf(strange, { ...left, network }, { observed, report: killed }));
    const [create] = actions;
    expect(create?.type === 'createService' && create.request.image).to.equal('berth/workspace');
  });

  it('is not begun beside another workspace where nothing keeps the two apart', () => {
    const conditions: Rival['conditions'] = { kind: 'missing', conditions: ['If-Match'] };
    const rival = { id: 'other', ending: false, conditions };
    const observed = begun();
    expect(placeToStartAt({ kind: 'valid', desired: stopped }, observed, left)).to.deep.equal({
      bucket: 'demo',
      prefix: '',
    });
    const waiting = look({ ...left, network, rival }, observed, { now: later(7) });
    expect(waiting.actions).to.deep.equal([]);
    expect(waiting.requeueAfterMs).to.be.greaterThan(0);
    expect(waiting.observed?.rescue?.runId).to.equal('run-2');
    const kept: Rival = { ...rival, conditions: { kind: 'kept' } };
    expect(look({ ...left, network, rival: kept }, observed).actions).not.to.deep.equal([]);
  });

  it('is waited for while the agent of the rescue works', () => {
    const world = { ...left, network, service: rescueService, tasks: [task()] };
    const attached = { ...world, gateway: { containerId: 'gateway', attached: true } };
    const { actions, observed } = look(attached, begun(), { now: later(8) });
    expect(actions).to.deep.equal([]);
    expect(observed?.phase).to.equal('stopped');
  });

  it('goes from the volumes once the bucket shows the receipt of the rescue', () => {
    const report = reportOf('finished', { runId: 'run-2', finalSync: saved });
    const world = { ...left, network, service: rescueService, tasks: [task({ state: 'complete' })] };
    const down = look(world, begun(), { report, now: later(9) });
    expect(down.actions.map((action) => action.type)).to.deep.equal(['scaleToZero']);
    const question = receiptToVerify(left, down.observed, report);
    expect(question).to.deep.include({ workspaceId: ID, runId: 'run-2', manifest: saved.receipt });
    const verified: World = { ...left, receipt: { kind: 'verified' } };
    const end = look(verified, down.observed, { report, now: later(10) });
    expect(end.actions).to.deep.equal(volumes.map((name) => ({ type: 'removeVolume', name })));
    const { observed } = look(EMPTY_WORLD, end.observed, { report, now: later(11) });
    expect(observed).to.include({ phase: 'stopped', rescue: null });
    expect(conditionOf(observed, 'FinalSyncVerified')?.status).to.equal('True');
  });

  it('is tried again with growing waits when a rescue fails', () => {
    const report = reportOf('finished', { runId: 'run-2', finalSync: { ...saved, ok: false } });
    let record = begun();
    const waits: number[] = [];
    for (let attempt = 1; attempt <= 3; attempt++) {
      const now = new Date(Date.parse(record.rescue?.nextAt ?? '') + 1000);
      const ended = look(
        left,
        { ...record, rescue: { ...record.rescue!, attempts: attempt } },
        { report, now },
      );
      waits.push(Date.parse(ended.observed?.rescue?.nextAt ?? '') - now.getTime());
      expect(ended.actions).to.deep.equal([]);
      record = { ...(ended.observed as Observed), rescue: { ...ended.observed!.rescue!, runId: 'run-2' } };
    }
    expect(waits).to.deep.equal([15_000, 30_000, 60_000]);
  });

  it('is saved also where the record was lost, or an edit of the file left its uid out', () => {
    const noUid = declare({ state: 'stopped' }, { uid: undefined });
    for (const observed of [null, unsaved()]) {
      const found = plan(inputOf(noUid, left, { observed, report: killed }));
      expect(conditionOf(found.observed, 'FinalSyncVerified')?.status).to.equal('False');
      expect(found.observed?.rescue).to.include({ attempts: 0 });
      const change = { report: killed, now: later(6) };
      const due = plan(inputOf(noUid, left, { observed: found.observed, ...change })).observed;
      const { actions } = plan(inputOf(noUid, { ...left, network }, { observed: due, ...change }));
      const [create] = actions;
      expect(create?.type === 'createService' && create.request).to.deep.include({
        mode: 'rescue',
        target: { bucket: 'demo', prefix: '' },
        volumes: names.volumes(desired),
      });
      const elsewhere = declare({ state: 'stopped', bucket: 'another' }, { uid: undefined });
      expect(plan(inputOf(elsewhere, left, { observed })).observed?.rescue).to.equal(null);
    }
  });

  it('is not waited with for as long as the clock was set back', () => {
    const { observed } = look(left, unsaved(), { now: later(-86_400) });
    expect(observed?.rescue?.runId).to.equal('run-2');
    expect(look(left, unsaved(), { now: later(-60) }).observed?.rescue?.runId).to.equal(null);
  });

  it('does not wait for a rescue when somebody starts the workspace: the start takes care of it', () => {
    const world = { ...left, network, service: rescueService, tasks: [task()] };
    const { actions } = plan(inputOf(desired, world, { observed: begun(), report: killed, now: later(8) }));
    expect(actions.map((action) => action.type)).to.deep.equal(['scaleToZero']);
    const next = plan(inputOf(desired, { ...left, network }, { observed: begun(), now: later(9) }));
    expect(next.actions.map((action) => action.type)).to.include('createService');
    expect(next.observed).to.include({ phase: 'starting', rescue: null, unsavedBefore: true });
  });

  for (const [name, receipt] of [
    ['was not asked for yet', null],
    ['is not there', { kind: 'wrong', message: 'no receipt' }],
    ['cannot be asked for', { kind: 'unreachable', message: 'no answer' }],
  ] as const) {
    it(`stays when the agent said that all is saved, but its receipt ${name}`, () => {
      const report = reportOf('finished', { finalSync: saved });
      const { actions, observed } = look({ ...left, receipt }, running, { report });
      expect(actions).to.deep.equal([]);
      expect(observed?.volumes).to.deep.equal(volumes);
      expect(conditionOf(observed, 'FinalSyncVerified')?.status).to.equal('False');
    });
  }

  it('is not rescued while the S3 server does not answer, but asked for again', () => {
    const report = reportOf('finished', { finalSync: saved });
    const world: World = { ...left, receipt: { kind: 'unreachable', message: 'no answer' } };
    const { observed, requeueAfterMs } = look(world, running, { report });
    expect(observed?.rescue).to.equal(null);
    expect(requeueAfterMs).to.equal(10_000);
  });

  it('is not asked of the bucket while a container may still write', () => {
    const report = reportOf('finished', { finalSync: saved });
    expect(receiptToVerify(fullWorld(desired), running, report)).to.equal(null);
    expect(receiptToVerify(EMPTY_WORLD, running, report)).to.equal(null);
    expect(receiptToVerify(left, running, killed)).to.equal(null);
  });

  it('goes unsaved only when somebody says so', () => {
    const discarded = declare({}, { deletionRequestedAt: NOW.toISOString(), discardUnsaved: true });
    const { actions } = plan(inputOf(discarded, left, { observed: unsaved(), report: killed }));
    expect(actions).to.deep.equal(volumes.map((name) => ({ type: 'removeVolume', name })));
    const { observed } = plan(inputOf(discarded, EMPTY_WORLD, { observed: unsaved(), report: killed }));
    expect(conditionOf(observed, 'FinalSyncVerified')).to.include({ status: 'False', reason: 'Discarded' });
  });
});
