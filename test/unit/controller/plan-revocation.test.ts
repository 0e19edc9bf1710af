import { expect } from 'chai';
import { plan } from '../../../controller/plan/plan.js';
import { declare, fullWorld, inputOf } from '../../support/planning.js';

const EARLIER = '2026-01-02T03:00:00.000Z';
const LATER = '2026-01-02T03:01:00.000Z';

describe('plan: access that was revoked', () => {
  const world = fullWorld(declare());
  const seen = (revokedAts: (string | undefined)[]) => {
    let observed = plan(inputOf(declare(), world)).observed;
    for (const accessRevokedAt of revokedAts) {
      const desired = declare({}, accessRevokedAt === undefined ? {} : { accessRevokedAt });
      observed = plan(inputOf(desired, world, { observed })).observed;
    }
    return observed?.accessRevokedAt;
  };

  it('stays revoked when an edit of the file loses what it said, or brings an earlier time back', () => {
    expect(seen([])).to.equal(null);
    expect(seen([EARLIER])).to.equal(EARLIER);
    expect(seen([LATER, undefined])).to.equal(LATER);
    expect(seen([LATER, EARLIER])).to.equal(LATER);
    expect(seen([EARLIER, LATER])).to.equal(LATER);
  });
});
