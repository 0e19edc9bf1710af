import type { WalkEntry } from './entry.js';
import { MULTIPART_THRESHOLD } from './etag.js';
import { isGit, isGitObject } from './git.js';

const isLarge = ({ size }: WalkEntry) => size > MULTIPART_THRESHOLD;

/**
 * Uploads in the order in which a reader of the bucket may see them: a git reference never before the
 * objects it names. Folder markers come with ordinary files.
 *
 * @returns ordinary entries, `.git/objects`, the rest of `.git`
 */
export function inOrder(
  entries: readonly WalkEntry[],
): [ordinary: WalkEntry[], objects: WalkEntry[], git: WalkEntry[]] {
  const ordinary: WalkEntry[] = [];
  const objects: WalkEntry[] = [];
  const git: WalkEntry[] = [];
  for (const entry of entries) {
    if (isGitObject(entry.id)) objects.push(entry);
    else if (isGit(entry.id)) git.push(entry);
    else ordinary.push(entry);
  }
  // What takes long must not hold up what somebody works on.
  ordinary.sort((a, b) => Number(isLarge(a)) - Number(isLarge(b)));
  return [ordinary, objects, git];
}
