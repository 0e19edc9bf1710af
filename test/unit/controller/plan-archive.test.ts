import { expect } from 'chai';
import { plan } from '../../../controller/plan/plan.js';
import type { PlanInput } from '../../../controller/plan/types.js';
import type { Observed } from '../../../shared/model/observed.js';
import { declare, EMPTY_WORLD, inputOf, NOW } from '../../support/planning.js';

const DAY = 86_400_000;
const desired = declare({ state: 'stopped' });

/** Decides about a workspace that has been stopped since NOW. */
function decide(afterMs: number, change: Partial<PlanInput> = {}, record: Partial<Observed> = {}) {
  const { observed } = plan(inputOf(desired, EMPTY_WORLD));
  const now = new Date(NOW.getTime() + afterMs);
  return plan(
    inputOf(desired, EMPTY_WORLD, { observed: { ...(observed as Observed), ...record }, now, ...change }),
  );
}

describe('plan: a workspace that was stopped long ago (R6.6)', () => {
  it('is archived after 24 hours, and looked at again just then', () => {
    const before = decide(DAY - 1);
    expect(before.actions).to.deep.equal([]);
    expect(before.requeueAfterMs).to.equal(1);
    expect(decide(DAY).actions).to.deep.equal([{ type: 'archive' }]);
  });

  it('is archived as well when it was deleted, and when its file was removed', () => {
    const deleted = declare({}, { deletionRequestedAt: NOW.toISOString() });
    expect(decide(DAY, { declaration: { kind: 'valid', desired: deleted } }).actions).to.have.length(1);
    expect(decide(DAY, { declaration: { kind: 'absent' } }).actions).to.deep.equal([{ type: 'archive' }]);
  });

  it('stays where it is while files of it may be on a volume only', () => {
    const world = { ...EMPTY_WORLD, volumes: ['berth-ws-demo-home'] };
    expect(decide(10 * DAY, { world }).actions).to.deep.equal([]);
  });

  it('stays where it is while its file is broken: somebody is about to mend it', () => {
    const declaration = { kind: 'invalid', reason: 'Malformed', message: 'line 3' } as const;
    expect(decide(10 * DAY, { declaration }).actions).to.deep.equal([]);
  });

  it('stays where it is when it shall run again', () => {
    const again = declare({}, { startRequestedAt: NOW.toISOString() });
    const { actions } = decide(DAY, { declaration: { kind: 'valid', desired: again } });
    expect(actions.map(({ type }) => type)).not.to.include('archive');
  });
});
