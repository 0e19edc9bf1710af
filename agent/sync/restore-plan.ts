import { isDirId, type EntryId } from '../../shared/bucket/keys.js';
import type { RemoteEntry } from '../../shared/bucket/view.js';
import { sameStat, type Entry, type WalkEntry } from './entry.js';
import { isRacy } from './diff.js';

export interface RestorePlan {
  /** Known and unchanged here, and gone from the bucket: somebody else deleted them. */
  removeLocal: EntryId[];
  /** Gone from the bucket, but changed or wanted here: to be sent as new. */
  forget: EntryId[];
  download: RemoteEntry[];
  /** On both sides, and not known to be the same: to be decided by content. */
  compare: RemoteEntry[];
  /** Not changed by anybody, and shorter than it was: a power cut took what the disk had not got yet. */
  damaged: RemoteEntry[];
}

/** Above this part of all known entries, "gone from the bucket" is not believed. */
const LARGE_SHARE = 0.5;
const MANY = 100;

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
  const plan: RestorePlan = { removeLocal: [], forget: [], download: [], compare: [], damaged: [] };
  for (const entry of remote.values()) {
    const known = state.get(entry.id);
    const local = disk.get(entry.id);
    const news = known?.etag !== entry.etag;
    // Deleted here: the first cycle deletes it there – unless it was never fully here, or is newer there.
    if (!local && (news || !complete)) plan.download.push(entry);
    else if (local && news) decide(entry, known, local, plan);
    else if (local && known && isDamaged(known, local)) plan.damaged.push(entry);
  }
  for (const [id, known] of state) {
    if (remote.has(id)) continue;
    const local = disk.get(id);
    if (local && sameStat(known, local) && !isRacy(known)) plan.removeLocal.push(id);
    else plan.forget.push(id);
  }
  holdMassRemoval(plan, remote.size, state.size);
  return plan;
}

function decide(entry: RemoteEntry, known: Entry | undefined, local: WalkEntry, plan: RestorePlan): void {
  const clean = known && (isDirId(entry.id) || (sameStat(known, local) && !isRacy(known)));
  if (clean || (!known && isDirId(entry.id))) plan.download.push(entry);
  else plan.compare.push(entry);
}

/**
 * The state is flushed to the disk, and times and size of what it speaks of with it, but not its content: after
 * a power cut a file may be empty with the very times that it had. Nobody shortens a file and leaves its times,
 * but for a change within the same tick of the clock, which the racy rule tells.
 */
function isDamaged(known: Entry, local: WalkEntry): boolean {
  const untouched = known.ino === local.ino && known.mtimeNs === local.mtimeNs && !isRacy(known);
  return known.kind === 'file' && local.kind === 'file' && untouched && local.size < known.size;
}

/** What is on the disk is then sent again. */
function holdMassRemoval(plan: RestorePlan, inBucket: number, known: number): void {
  if (!isMassRemoval(plan.removeLocal.length, inBucket, known)) return;
  plan.forget.push(...plan.removeLocal);
  plan.removeLocal = [];
}

/** An emptied bucket is more likely an accident than a wish. */
export function isMassRemoval(count: number, inBucket: number, known: number): boolean {
  const emptied = inBucket === 0 && count > 0;
  return emptied || (count > MANY && count > known * LARGE_SHARE);
}
