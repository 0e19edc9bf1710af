import { isDirId, type EntryId } from '../../shared/bucket/keys.js';
import type { RemoteEntry } from '../../shared/bucket/view.js';
import { isDamaged } from './diff.js';
import type { Entry, WalkEntry } from './entry.js';
import { isGitLock } from './git.js';

export interface RestorePlan {
  /** Gone from the bucket: to be sent as new if it is here. */
  forget: EntryId[];
  download: RemoteEntry[];
  /** On both sides, and not known to be the same: to be decided by what they are. */
  compare: RemoteEntry[];
  /** Not changed by anybody, and shorter than it was: a power cut took what the disk had not got yet. */
  damaged: RemoteEntry[];
}

/**
 * Three-way comparison of bucket, disk and what was known of both (nothing, on a new volume). What is
 * only here stays and is sent by the first cycle; what was deleted here stays deleted, if the state
 * says that it ever was here.
 *
 * @param complete - whether an earlier restore on this volume ran to its end
 */
export function planRestore(
  remote: ReadonlyMap<EntryId, RemoteEntry>,
  state: ReadonlyMap<EntryId, Entry>,
  disk: ReadonlyMap<EntryId, WalkEntry>,
  complete: boolean,
): RestorePlan {
  const plan: RestorePlan = { forget: [], download: [], compare: [], damaged: [] };
  for (const entry of remote.values()) {
    if (isGitLock(entry.id)) continue;
    const known = state.get(entry.id);
    const local = disk.get(entry.id);
    const news = known?.etag !== entry.etag;
    // Deleted here: the first cycle deletes it there – unless it was never fully here, or is newer there.
    if (!local && (news || !complete)) plan.download.push(entry);
    else if (local && news) (isDirId(entry.id) ? plan.download : plan.compare).push(entry);
    else if (local && known && isDamaged(known, local)) plan.damaged.push(entry);
  }
  // Deleted by somebody else, or lost by the server: what is here may be the last copy, and is sent again.
  plan.forget = [...state.keys()].filter((id) => !remote.has(id));
  return plan;
}
