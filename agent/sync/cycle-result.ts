import type { CycleResult, Failure } from './cycle.js';

/** Of a longer path a sentence has the beginning. */
const MAX_PATH_LENGTH = 200;

/** Held-back deletions may stay: the bucket then has more than the disk, not less. */
export const isDone = (result: CycleResult) =>
  result.error === null && result.pending === 0 && result.failures.length === 0;

export function isHopeless(result: CycleResult): boolean {
  if (result.error) return result.error.permanent;
  const allPermanent = result.failures.length > 0 && result.failures.every((failure) => failure.permanent);
  return allPermanent && result.pending <= result.failures.length;
}

/** One sentence for how a cycle failed, or null. */
export function errorOf(result: CycleResult): string | null {
  const failure: Failure | undefined = result.error ?? result.failures[0];
  if (!failure) return null;
  const where = failure.path === '' ? '' : `${failure.path.slice(0, MAX_PATH_LENGTH)}: `;
  const more = result.failures.length > 1 ? ` (and ${result.failures.length - 1} more)` : '';
  return `${where}${failure.message}${result.error ? '' : more}`.slice(0, 2000);
}
