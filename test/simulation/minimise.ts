import type { Timed } from './events.js';
import { run, type Outcome } from './run.js';
import type { Mutant } from './mutants.js';

/** Days that are tried at most. */
const TRIES = 400;

/**
 * Leaves out of a day that went wrong what it does not need to go wrong in the same way (delta debugging).
 *
 * @returns the shortest such day that was found
 */
export async function minimise(failed: Outcome, mutant: Mutant | null = null): Promise<Outcome> {
  let best = failed;
  let tries = 0;
  const stillFails = async (story: readonly Timed[]) => {
    tries += 1;
    const outcome = await run(failed.seed, mutant, story);
    if (outcome.violation?.invariant !== failed.violation?.invariant) return false;
    best = outcome;
    return true;
  };
  let size = best.story.length;
  let before: number;
  do {
    size = Math.ceil(size / 2);
    before = best.story.length;
    let start = 0;
    while (start < best.story.length && tries < TRIES) {
      const { story } = best;
      const shorter = [...story.slice(0, start), ...story.slice(start + size)];
      if (!(await stillFails(shorter))) start += size;
    }
    // What one event was needed for may have gone with another one.
  } while (size > 1 || best.story.length < before);
  return best;
}
