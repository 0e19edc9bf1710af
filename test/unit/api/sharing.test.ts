import { expect } from 'chai';
import { wantsPull } from '../../../api/services/sharing.js';

const writer = (id: string, prefix = '', change: { bucket?: string; pull?: 'always' | 'never' } = {}) => ({
  ...{ id, bucket: 'b', prefix, pull: 'auto' as const },
  ...change,
});

describe('API: who brings the changes of others', () => {
  const cases: [string, boolean, ReturnType<typeof writer>, ReturnType<typeof writer>[]][] = [
    ['alone', false, writer('a'), []],
    ['with another on the same place', true, writer('a'), [writer('b')]],
    ['with another on a part of its place', true, writer('a'), [writer('b', 'x/y')]],
    ['with another on a place that its own is a part of', true, writer('a', 'x/y'), [writer('b', 'x')]],
    ['with another beside it', false, writer('a', 'x'), [writer('b', 'xy'), writer('c', 'y')]],
    ['with another in another bucket', false, writer('a'), [writer('b', '', { bucket: 'c' })]],
    ['alone, but always', true, writer('a', '', { pull: 'always' }), []],
    ['shared, but never', false, writer('a', '', { pull: 'never' }), [writer('b')]],
  ];
  for (const [what, expected, own, others] of cases) {
    it(`${expected ? 'does' : 'does not'}: ${what}`, () => {
      expect(wantsPull([own, ...others], 'a')).to.equal(expected);
    });
  }

  it('does not: not known (any more)', () => {
    expect(wantsPull([writer('b')], 'a')).to.equal(false);
  });
});
