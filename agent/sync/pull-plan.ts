import { ancestorsOf, isDirId, pathOf, type EntryId } from '../../shared/bucket/keys.js';
import type { RemoteEntry, RemoteView } from '../../shared/bucket/view.js';
import { isUnchanged } from './diff.js';
import { DEFAULT_DIR_MODE, type Entry, type WalkEntry } from './entry.js';
import { isGitLock } from './git.js';

export interface PullPlan {
  /** Known and unchanged here, and gone from the bucket. */
  remove: { id: EntryId; known: Entry }[];
  /** Gone from the bucket, but wanted here: files to be sent as new, and folders that need no marker. */
  forget: EntryId[];
  /** New in the bucket. */
  fetch: RemoteEntry[];
  /** Changed in the bucket, unchanged here. */
  replace: { remote: RemoteEntry; known: Entry }[];
  /** Folders that are new or have another mode in the bucket. */
  folders: RemoteEntry[];
}

/**
 * What others changed in the bucket and nobody changed here. Everything else is left to the cycle, which
 * finds out by its conditions what others did, and keeps both versions.
 */
export function planPull(
  view: RemoteView,
  state: ReadonlyMap<EntryId, Entry>,
  disk: ReadonlyMap<EntryId, WalkEntry>,
): PullPlan {
  const plan: PullPlan = { remove: [], forget: [], fetch: [], replace: [], folders: [] };
  const needed = new Set<string>();
  for (const remote of view.entries.values()) {
    if (isGitLock(remote.id)) continue;
    for (const folder of ancestorsOf(pathOf(remote.id))) needed.add(folder);
    const known = state.get(remote.id);
    if (known?.etag === remote.etag) continue;
    const local = disk.get(remote.id);
    if (isDirId(remote.id)) {
      if (isUntouchedFolder(known, local)) plan.folders.push(remote);
    } else if (!known && !local) plan.fetch.push(remote);
    else if (known && local && isUnchanged(known, local)) plan.replace.push({ remote, known });
  }
  const hidden = new Set(view.hidden);
  for (const [id, known] of state) {
    const local = disk.get(id);
    if (!local || view.entries.has(id) || hidden.has(id)) continue;
    if (isDirId(id) && needed.has(pathOf(id))) plan.forget.push(id);
    else if (isDirId(id) ? local.mode === known.mode : isUnchanged(known, local))
      plan.remove.push({ id, known });
  }
  holdMassRemoval(plan, view.entries.size, state.size);
  return plan;
}

/** Its mode is as it was left, or as folders are made. */
function isUntouchedFolder(known: Entry | undefined, local: WalkEntry | undefined): boolean {
  return local === undefined ? known === undefined : local.mode === (known?.mode ?? DEFAULT_DIR_MODE);
}

/** Above this part of all known entries, "gone from the bucket" is not believed. */
const LARGE_SHARE = 0.5;
const MANY = 100;

/** An emptied bucket is more likely an accident than a wish: what is on the disk is sent again, as after a restart. */
function holdMassRemoval(plan: PullPlan, inBucket: number, known: number): void {
  const count = plan.remove.length;
  const emptied = inBucket === 0 && count > 0;
  if (!emptied && (count <= MANY || count <= known * LARGE_SHARE)) return;
  plan.forget = plan.forget.concat(plan.remove.map(({ id }) => id));
  plan.remove = [];
}
