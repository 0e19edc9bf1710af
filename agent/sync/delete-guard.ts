import type { EntryId } from '../../shared/bucket/keys.js';

/** More than this many entries, and more than this part of all, going at once is suspicious. */
const MANY = 100;
const LARGE_SHARE = 0.5;

/**
 * Holds back a mass deletion until a second walk, a cycle later, finds the same. A volume that is
 * momentarily not what it should be must not empty the bucket; somebody who removes a large folder
 * waits one cycle longer for it.
 *
 * @param proven - gave way to something that was seen in their place, and are gone for sure
 * @param known - number of entries known to be in the bucket
 * @param heldBefore - what was held back last time
 */
export function guardDeletes(
  deletes: readonly EntryId[],
  proven: ReadonlySet<EntryId>,
  known: number,
  heldBefore: ReadonlySet<EntryId>,
): { allowed: EntryId[]; held: Set<EntryId> } {
  const fresh = deletes.filter((id) => !heldBefore.has(id) && !proven.has(id));
  const isMass = fresh.length > MANY && fresh.length > known * LARGE_SHARE;
  if (!isMass) return { allowed: [...deletes], held: new Set() };
  const held = new Set(fresh);
  return { allowed: deletes.filter((id) => !held.has(id)), held };
}
