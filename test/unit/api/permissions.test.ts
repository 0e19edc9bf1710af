import { expect } from 'chai';
import { mayUse } from '../../../api/auth/permissions.js';
import { placeSchema } from '../../../api/auth/places.js';

describe('Where a key may start workspaces', () => {
  const cases: [readonly string[] | undefined, string, string, boolean][] = [
    [['team-a'], 'team-a', '', true],
    [['team-a'], 'team-a', 'any/where', true],
    [['team-a'], 'team-ab', '', false],
    [['team-a-*'], 'team-a-1', 'x', true],
    [['team-a-*'], 'team-a', '', false],
    [['*'], 'any', '', true],
    [['shared/team-a'], 'shared', 'team-a', true],
    [['shared/team-a'], 'shared', 'team-a/b', true],
    [['shared/team-a'], 'shared', 'team-ab', false],
    [['shared/team-a'], 'shared', '', false],
    [['one', 'two'], 'two', '', true],
    [[], 'any', '', false],
    [undefined, 'any', '', false],
  ];
  for (const [buckets, bucket, prefix, may] of cases) {
    it(`${JSON.stringify(buckets)}: ${bucket}/${prefix} ${may ? 'yes' : 'no'}`, () => {
      const key = { labels: { team: 'a' }, ...(buckets !== undefined && { buckets }) };
      expect(mayUse(key, bucket, prefix)).to.equal(may);
    });
  }

  it('is everywhere for a key without labels that does not say', () => {
    expect(mayUse({ labels: {} }, 'any', '')).to.equal(true);
    expect(mayUse({ labels: {}, buckets: ['one'] }, 'any', '')).to.equal(false);
  });

  for (const pattern of ['', 'A', 'a*b', '/x', 'a-bucket/', 'a-bucket/../x', 'a-*/x', 'a b*'])
    it(`refuses the place "${pattern}"`, () =>
      expect(placeSchema.safeParse(pattern).success).to.equal(false));
});
