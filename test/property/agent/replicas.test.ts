import { expect } from 'chai';
import fc from 'fast-check';
import type { FakeS3 } from '../../fakes/s3.js';
import { inTime } from '../../support/in-time.js';
import { convergence } from '../../support/agent/world/convergence.js';

const RUNS = Number(process.env.BERTH_PROPERTY_RUNS ?? 60);
const TIMEOUT_MS = 60_000 + RUNS * 1_000;
/** Stories among which one has to show that a condition was needed. */
const MUTANT_RUNS = 1_000;

/** What a server would overlook that did not know one of the conditions. */
const BLIND: Record<string, FakeS3['heeds']> = {
  'If-None-Match of a new object': ({ method }, { kind }) => method !== 'put' || kind !== 'absent',
  'If-Match of a changed object': ({ method }, { kind }) => method !== 'put' || kind !== 'match',
  'If-Match of a deletion': ({ method }) => method !== 'remove',
};

describe('agent: replicas on one bucket', function () {
  this.timeout(TIMEOUT_MS);

  for (const count of [2, 3]) {
    it(`never lose a version that nobody wanted gone, and agree in the end (${count} replicas, ${RUNS} stories)`, () =>
      fc.assert(convergence(count), { numRuns: RUNS, ...inTime(TIMEOUT_MS) }));
  }

  for (const [condition, heeds] of Object.entries(BLIND)) {
    it(`would lose something without the ${condition}`, async () => {
      const { failed, seed } = await fc.check(convergence(2, heeds), {
        numRuns: MUTANT_RUNS,
        endOnFailure: true,
      });
      expect(failed, `seed ${seed}`).to.equal(true);
    });
  }
});
