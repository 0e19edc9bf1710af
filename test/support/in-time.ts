import fc from 'fast-check';

/** What a report needs, and what may still be under way. */
const SPARE_MS = 15_000;

/**
 * Ends a property before its test's time is up: a failure whose shrinking takes longer would end as "timeout
 * exceeded", and nobody would ever see the story that failed.
 *
 * @param timeoutMs - of the test
 * @returns parameters for `fc.assert`
 */
export const inTime = (timeoutMs: number) => ({
  plugins: [fc.interruptAfterTimeLimit(timeoutMs - SPARE_MS, { failOnInterrupt: true })],
});
