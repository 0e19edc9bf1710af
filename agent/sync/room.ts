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

/**
 * Old names of files that wait under their new one: until that is sent, they are all that the bucket has. Where
 * the inode has only been used again, the deletion waits a cycle longer.
 */
export function withoutMoved(
  deletes: readonly EntryId[],
  state: ReadonlyMap<EntryId, Entry>,
  waiting: readonly WalkEntry[],
): EntryId[] {
  const waits = new Set(waiting.map(({ ino }) => ino));
  return deletes.filter((id) => !waits.has(state.get(id)?.ino ?? -1n));
}
