import type { EntryId } from '../../shared/bucket/keys.js';
import type { Entry, WalkEntry } from './entry.js';
import { isGit } from './git.js';

/**
 * Deletions that may reach a bucket which has no room for what is new: they are how a user makes room.
 * What could be the old name of something that waits stays, since it is all that the bucket has of it;
 * so does everything of git's, whose files mean something only together.
 *
 * @param waiting - what could not be sent
 */
export function makingRoom(
  deletes: readonly EntryId[],
  state: ReadonlyMap<EntryId, Entry>,
  waiting: readonly WalkEntry[],
): EntryId[] {
  const sizes = new Set(waiting.filter(({ kind }) => kind !== 'dir').map(({ size }) => size));
  return deletes.filter((id) => !isGit(id) && !sizes.has(state.get(id)?.size ?? -1));
}
