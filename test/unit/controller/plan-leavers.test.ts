import { expect } from 'chai';
import { plan } from '../../../controller/plan/plan.js';
import { receiptToVerify } from '../../../controller/plan/receipt.js';
import { placeToStartAt } from '../../../controller/plan/rival.js';
import type { World } from '../../../controller/plan/types.js';
import {
  conditionOf,
  declare,
  EMPTY_WORLD,
  fullWorld,
  ID,
  inputOf,
  NOW,
  POLICY,
  reportOf,
  saved,
} from '../../support/planning.js';

describe('plan: a service that was removed by another hand while its container lives', () => {
  const desired = declare();
  const stopped = declare({ state: 'stopped' });
  const full = fullWorld(desired);
  const running = plan(inputOf(desired, full)).observed;
  const leavers = [{ id: 'task-1', workspaceId: ID, state: 'running', target: null }];
  const left: World = { ...full, service: null, tasks: [], routes: null };
  const leaving: World = { ...left, leavers };
  const finished = reportOf('finished', { finalSync: saved });

  it('starts again once that has ended, and not beside it', () => {
    const { actions, observed } = plan(inputOf(desired, leaving, { observed: running }));
    expect(actions).to.deep.equal([]);
    // The API hears the last sync of this run only as long as no other one is on record.
    expect(observed).to.include({ phase: 'stopping', runId: 'run-1', containerStarted: true });
    expect(observed?.message).to.contain('removed while its container lived');
    const next = plan(inputOf(desired, left, { observed, report: finished }));
    expect(next.actions.map(({ type }) => type)).to.deep.equal(['createService']);
    expect(next.observed).to.include({ phase: 'starting', runId: 'run-2' });
  });

  it('keeps its network and volumes until then, whatever was said and proven', () => {
    for (const observed of [running, null]) {
      const first = plan(inputOf(stopped, leaving, { observed, report: finished }));
      expect(first.actions).to.deep.equal([]);
      expect(first.observed?.phase).to.equal('stopping');
      expect(first.requeueAfterMs).to.be.a('number');
    }
    const { actions } = plan(inputOf(stopped, left, { observed: running, report: finished }));
    expect(actions.map(({ type }) => type)).to.deep.equal(['removeNetwork', 'removeVolume', 'removeVolume']);
  });

  it('is waited for also where nobody declared it', () => {
    const orphan = plan(inputOf(null, { ...leaving, network: null }));
    expect(orphan).to.deep.include({ observed: null, actions: [] });
    expect(orphan.requeueAfterMs).to.be.a('number');
  });

  it('is told when it takes too long', () => {
    const begun = plan(inputOf(stopped, leaving, { observed: running })).observed;
    const now = new Date(NOW.getTime() + POLICY.stopDeadlineMs + 1);
    const { observed } = plan(inputOf(stopped, leaving, { observed: begun, now }));
    expect(conditionOf(observed, 'Progressing')?.message).to.contain('a container whose service was removed');
  });

  it('is not rescued while it may save its files itself', () => {
    const unsaved = plan(inputOf(stopped, { ...left, network: null }, { observed: running })).observed;
    const now = new Date(NOW.getTime() + 60_000);
    const waits = plan(inputOf(stopped, { ...leaving, network: null }, { observed: unsaved, now }));
    expect(waits.observed?.rescue?.runId).to.equal(null);
    const begun = plan(inputOf(stopped, { ...left, network: null }, { observed: unsaved, now })).observed;
    expect(begun?.rescue?.runId).to.equal('run-2');
    const look = (world: World) => plan(inputOf(stopped, world, { observed: begun, now })).actions;
    expect(look(leaving)).to.deep.equal([]);
    expect(look(left).map(({ type }) => type)).to.deep.equal(['createService']);
  });

  it('asks neither for a receipt nor for a place meanwhile', () => {
    const silent = { ...left, receipt: null };
    const observed = plan(inputOf(stopped, silent, { observed: running, report: finished })).observed;
    expect(receiptToVerify(silent, observed, finished)).not.to.equal(null);
    expect(receiptToVerify({ ...silent, leavers }, observed, finished)).to.equal(null);
    const declaration = { kind: 'valid', desired } as const;
    expect(placeToStartAt(declaration, observed, EMPTY_WORLD)).not.to.equal(null);
    expect(placeToStartAt(declaration, observed, { ...EMPTY_WORLD, leavers })).to.equal(null);
  });
});
