import { expect } from 'chai';
import { plan } from '../../../controller/plan/plan.js';
import { StartQueue } from '../../../controller/reconcile/start-queue.js';
import { settle } from '../../fakes/clock.js';
import { conditionOf, declare, EMPTY_WORLD, inputOf } from '../../support/planning.js';

describe('StartQueue', () => {
  let come: string[];
  let queue: StartQueue;
  beforeEach(() => {
    come = [];
    queue = new StartQueue(2, (id) => come.push(id));
  });

  it('lets so many start at a time, the others when one of them has ended', async () => {
    expect(['a', 'b', 'c', 'd'].map((id) => queue.request(id, false))).to.deep.equal([
      true,
      true,
      false,
      false,
    ]);
    expect(queue.request('a', false), 'asked again').to.equal(true);
    await settle();
    expect(come).to.deep.equal([]);
    queue.release('b');
    await settle();
    expect(come).to.deep.equal(['c']);
    expect([queue.request('c', false), queue.request('d', false)]).to.deep.equal([true, false]);
  });

  it('lets those go first that somebody waits for', async () => {
    for (const id of ['a', 'b', 'c']) queue.request(id, false);
    queue.request('person', true);
    queue.release('a');
    await settle();
    expect(come).to.deep.equal(['person']);
  });

  it('forgets who does not want to start any more', async () => {
    for (const id of ['a', 'b', 'c', 'd']) queue.request(id, false);
    queue.release('c');
    queue.release('a');
    await settle();
    expect(come).to.deep.equal(['d']);
    queue.release('none');
  });
});

describe('plan: a start whose turn has not come', () => {
  it('waits, says so, and its time to start in does not run', () => {
    const { observed, actions } = plan(inputOf(declare(), { ...EMPTY_WORLD, queued: true }));
    expect(actions).to.deep.equal([]);
    expect(conditionOf(observed, 'Admitted')).to.deep.include({ status: 'False', reason: 'Queued' });
    expect(observed).to.deep.include({ phase: 'starting', acceptedAt: null });
    const next = plan(inputOf(declare(), EMPTY_WORLD, { observed }));
    expect(next.actions.map(({ type }) => type)).to.deep.equal(['createNetwork']);
    expect(next.observed?.acceptedAt).not.to.equal(null);
  });
});
