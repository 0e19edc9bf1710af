import { expect } from 'chai';
import type { Rival } from '../../../controller/plan/types.js';
import { placeToStartAt } from '../../../controller/plan/rival.js';
import { plan } from '../../../controller/plan/plan.js';
import { Places } from '../../../controller/reconcile/places.js';
import type { LeaverState, ServiceState } from '../../../controller/ports/cluster.js';
import {
  conditionOf,
  declare,
  EMPTY_WORLD,
  fullWorld,
  ID,
  inputOf,
  NOW,
  POLICY,
} from '../../support/planning.js';

const desired = declare();
const place = { bucket: 'demo', prefix: '' };
const missing: Rival['conditions'] = { kind: 'missing', conditions: ['If-Match'] };

const serviceOf = (id: string, replicas = 1, prefix = ''): ServiceState => ({
  ...(fullWorld(desired).service as ServiceState),
  workspaceId: id,
  replicas,
  target: { bucket: 'demo', prefix },
});

const seen = (...services: ServiceState[]) => ({ services, leavers: [] });

describe('plan: another workspace on the same place', () => {
  const planWith = (rival: Rival | null) =>
    plan(inputOf(desired, { ...EMPTY_WORLD, network: fullWorld(desired).network, rival }));
  const starts = (rival: Rival | null) =>
    planWith(rival).actions.some(({ type }) => type === 'createService');

  it('is welcome where the server keeps them apart', () => {
    expect(starts({ id: 'other', ending: false, conditions: { kind: 'kept' } })).to.equal(true);
  });

  it('ends the start where it does not, and says what to do', () => {
    const { observed, actions } = planWith({ id: 'other', ending: false, conditions: missing });
    expect(actions).to.deep.equal([]);
    expect(observed?.halt).to.include({ reason: 'StartFailed' });
    expect(observed?.halt?.message).to.match(
      /"other" writes to the same place.*lacks If-Match.*another bucket/,
    );
  });

  it('is waited for when it ends, and when the server cannot be asked', () => {
    const rivals: Rival[] = [
      { id: 'other', ending: true, conditions: missing },
      { id: 'other', ending: false, conditions: { kind: 'unreachable', message: 'ECONNREFUSED' } },
    ];
    for (const rival of rivals) {
      const { observed, actions, requeueAfterMs } = planWith(rival);
      expect(actions).to.deep.equal([]);
      expect(requeueAfterMs).to.be.a('number');
      expect(observed).to.include({ phase: 'starting', halt: null });
      expect(conditionOf(observed, 'Admitted')).to.include({ status: 'False', reason: 'PlaceTaken' });
      expect(observed?.message).to.contain('"other"');
    }
  });

  it('is waited for without end while it only starts itself: it may wait for memory, or be given up', () => {
    const rival = { id: 'other', ending: false, starting: true, conditions: missing };
    const waiting = planWith(rival).observed;
    expect(waiting).to.include({ phase: 'starting', halt: null, acceptedAt: null });
    expect(conditionOf(waiting, 'Admitted')).to.include({ status: 'False', reason: 'PlaceTaken' });
    const world = { ...EMPTY_WORLD, network: fullWorld(desired).network };
    const now = new Date(NOW.getTime() + POLICY.startDeadlineMs + 1);
    const later = (found: Rival | null) =>
      plan(inputOf(desired, { ...world, rival: found }, { observed: waiting, now }));
    expect(later(rival)).to.deep.include({ actions: [], requeueAfterMs: 5000 });
    expect(later(rival).observed?.halt).to.equal(null);
    expect(later(null).actions.map(({ type }) => type)).to.include('createService');
    expect(starts({ ...rival, conditions: { kind: 'kept' } })).to.equal(true);
  });

  it('matters only before a service is made', () => {
    const input = inputOf(desired, EMPTY_WORLD);
    expect(placeToStartAt(input.declaration, null, EMPTY_WORLD)).to.deep.equal(place);
    expect(placeToStartAt(input.declaration, null, fullWorld(desired))).to.equal(null);
    const stopped = inputOf(declare({ state: 'stopped' }), EMPTY_WORLD);
    expect(placeToStartAt(stopped.declaration, null, EMPTY_WORLD)).to.equal(null);
  });
});

describe('places', () => {
  it('belong to the service that writes there', () => {
    const places = new Places();
    expect(places.claim(ID, place, seen(serviceOf(ID), serviceOf('other', 0, 'part')))).to.deep.equal({
      id: 'other',
      ending: true,
    });
    const rescue = { ...serviceOf('other'), generation: 'rescue' };
    expect(places.claim(ID, place, seen(rescue))).to.deep.equal({ id: 'other', ending: true });
    expect(places.claim(ID, { ...place, bucket: 'b2' }, seen(serviceOf('other')))).to.equal(null);
  });

  it('belong for so long to a container whose service is gone', () => {
    const target = { ...place, prefix: 'part' };
    const leaver = { id: 't', workspaceId: 'other', state: 'running', target };
    const claim = (...leavers: LeaverState[]) => new Places().claim(ID, place, { services: [], leavers });
    expect(claim(leaver)).to.deep.equal({ id: 'other', ending: true });
    expect(claim({ ...leaver, workspaceId: ID })).to.equal(null);
    expect(claim({ ...leaver, state: 'complete' }, { ...leaver, target: null })).to.equal(null);
  });

  it('belong to the first of two that start at once, until it starts no longer', () => {
    const places = new Places();
    expect(places.claim('one', place, seen())).to.equal(null);
    expect(places.claim('two', { ...place, prefix: 'part' }, seen())).to.deep.equal({
      id: 'one',
      ending: false,
      starting: true,
    });
    expect(places.claim('one', place, seen()), 'the refused one has none').to.equal(null);
    places.release('one');
    expect(places.claim('two', place, seen())).to.equal(null);
  });
});
