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
 * Old names of files that wait under their new one: until that is sent, they are all that the bucket has. A file that
 * was made after the old one was read has only been given its inode.
 *
 * @param waits - inodes of what waits, with the time when the file was made (ms since 1970)
 */
export function withoutMoved(
  deletes: readonly EntryId[],
  state: ReadonlyMap<EntryId, Entry>,
  waits: ReadonlyMap<bigint, number>,
): EntryId[] {
  return deletes.filter((id) => {
    const known = state.get(id);
    const madeMs = known && waits.get(known.ino);
    return known === undefined || madeMs === undefined || madeMs > known.readAtMs;
  });
}
