import { sameStat, type Entry, type WalkEntry } from './entry.js';
import { isRacy } from './diff.js';
import { ancestorsOf, isDirId, KeyError, pathOf, type EntryId, type Keyspace } from './keys.js';
import type { ListedObject } from '../../shared/s3/s3-port.js';

/** An object under the entry it stands for. */
export interface RemoteEntry {
  id: EntryId;
  /** Full key. */
  key: string;
  etag: string;
  size: number;
}

export interface RemoteView {
  entries: Map<EntryId, RemoteEntry>;
  /** Objects that cannot become files here; they stay in the bucket untouched. */
  refused: { key: string; reason: string }[];
}

/**
 * Makes entries of listed objects and refuses what cannot be a file: keys that lead out of the folder,
 * two keys for one path, a file where other keys need a folder.
 */
export function viewOf(listed: Iterable<ListedObject>, keys: Keyspace): RemoteView {
  const view: RemoteView = { entries: new Map(), refused: [] };
  for (const object of listed) {
    try {
      const id = keys.entryOf(object.key);
      if (id === null) continue;
      const present = view.entries.get(id);
      const canonical = safeKeyOf(keys, id) === object.key;
      if (present && !canonical) {
        view.refused.push({ key: object.key, reason: 'another key stands for the same file' });
        continue;
      }
      if (present) view.refused.push({ key: present.key, reason: 'another key stands for the same file' });
      view.entries.set(id, { id, ...object });
    } catch (error) {
      if (!(error instanceof KeyError)) throw error;
      view.refused.push({ key: object.key, reason: error.message });
    }
  }
  refuseFilesInTheWay(view);
  return view;
}

function safeKeyOf(keys: Keyspace, id: EntryId): string | null {
  try {
    return keys.keyOf(id);
  } catch {
    return null;
  }
}

/**
 * A file system has either the file `x` or the folder `x/…`. Files inside win over the file; the file
 * wins over a folder that is only marked to exist.
 */
function refuseFilesInTheWay(view: RemoteView): void {
  const folders = new Set<string>();
  for (const id of view.entries.keys()) {
    if (!isDirId(id)) for (const folder of ancestorsOf(id)) folders.add(folder);
  }
  const refuse = (entry: RemoteEntry, reason: string) => {
    view.entries.delete(entry.id);
    view.refused.push({ key: entry.key, reason });
  };
  for (const entry of [...view.entries.values()]) {
    if (!isDirId(entry.id) && folders.has(entry.id))
      refuse(entry, 'other objects need a folder of this name');
  }
  for (const entry of [...view.entries.values()]) {
    if (!isDirId(entry.id)) continue;
    const path = pathOf(entry.id);
    if ([path, ...ancestorsOf(path)].some((name) => view.entries.has(name)))
      refuse(entry, 'a file has the name of this folder');
  }
}

export interface RestorePlan {
  /** Known and unchanged here, and gone from the bucket: somebody else deleted them. */
  removeLocal: EntryId[];
  /** Gone from the bucket, but changed or wanted here: to be sent as new. */
  forget: EntryId[];
  download: RemoteEntry[];
  /** On both sides, and not known to be the same: to be decided by content. */
  compare: RemoteEntry[];
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
  const plan: RestorePlan = { removeLocal: [], forget: [], download: [], compare: [] };
  for (const entry of remote.values()) {
    const known = state.get(entry.id);
    const local = disk.get(entry.id);
    const news = known?.etag !== entry.etag;
    // Deleted here: the first cycle deletes it there – unless it was never fully here, or is newer there.
    if (!local && (news || !complete)) plan.download.push(entry);
    else if (local && news) decide(entry, known, local, plan);
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

/** An emptied bucket is more likely an accident than a wish; what is on the disk is then sent again. */
function holdMassRemoval(plan: RestorePlan, inBucket: number, known: number): void {
  const count = plan.removeLocal.length;
  const emptied = inBucket === 0 && count > 0;
  if (!emptied && !(count > MANY && count > known * LARGE_SHARE)) return;
  plan.forget.push(...plan.removeLocal);
  plan.removeLocal = [];
}
