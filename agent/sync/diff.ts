import { ancestorsOf, isDirId, pathOf, type EntryId } from '../../shared/bucket/keys.js';
import { DEFAULT_DIR_MODE, sameStat, type Entry, type WalkEntry } from './entry.js';
import { Slices } from './slices.js';
import type { WalkResult } from './walk.js';

/** What the disk has that the bucket has not, and the other way round. */
export interface Diff {
  /** Files and links that are new or look changed. */
  puts: WalkEntry[];
  /** Folders that need a marker, or a marker with another mode. */
  dirs: WalkEntry[];
  /** Known entries that are no longer on the disk (or folders that need their marker no more). */
  deletes: EntryId[];
  /** Look unchanged, but were read so soon after a change that a second one could hide: read again. */
  racy: WalkEntry[];
  unchanged: number;
}

/**
 * A change within this time of the reading may bear the same time stamps (clock ticks are about 4 ms;
 * two seconds also cover file systems that keep whole seconds).
 */
export const RACY_WINDOW_MS = 2_000;

/**
 * Compares the walk with what is known to be in the bucket. Decides nothing about order or safety.
 *
 * @param now - ms since 1970; entries whose window is still open are put off until it has closed,
 *   unless it is Infinity (the last sync of a run, when nothing can change any more)
 */
export async function diff(state: ReadonlyMap<EntryId, Entry>, seen: WalkResult, now: number): Promise<Diff> {
  const slices = new Slices();
  const result: Diff = { puts: [], dirs: [], deletes: [], racy: [], unchanged: 0 };
  for (const entry of seen.entries.values()) {
    if (slices.over) await slices.rest();
    const known = state.get(entry.id);
    if (entry.kind === 'dir') diffFolder(entry, known, result);
    else if (!known || known.kind !== entry.kind || !sameStat(known, entry)) result.puts.push(entry);
    else if (isRacy(known) && now - ctimeMs(known) >= RACY_WINDOW_MS) result.racy.push(entry);
    else result.unchanged += 1;
  }
  const hidden = new Set([...seen.unreadable.keys(), ...seen.leftOut]);
  for (const [id, known] of state) {
    if (slices.over) await slices.rest();
    const entry = seen.entries.get(id);
    // A folder marker of another tool's stays as long as its folder does.
    if (entry && (!isDirId(id) || needsMarker(entry) || known.key !== undefined)) continue;
    if (!entry && isHidden(pathOf(id), hidden)) continue;
    result.deletes.push(id);
  }
  return result;
}

/** A folder that no key of a file implies, or that is not like others. */
export function needsMarker(folder: WalkEntry): boolean {
  return folder.empty === true || folder.mode !== DEFAULT_DIR_MODE;
}

function diffFolder(entry: WalkEntry, known: Entry | undefined, result: Diff): void {
  if (!needsMarker(entry)) return;
  if (!known || known.mode !== entry.mode) result.dirs.push(entry);
  else result.unchanged += 1;
}

/**
 * As in git's index: an entry that was read within a tick of its last change may have been changed
 * again without a trace. ctime, since users can set mtime but not ctime.
 */
export function isRacy(known: Entry): boolean {
  return Math.abs(known.readAtMs - ctimeMs(known)) < RACY_WINDOW_MS;
}

/** Nobody has changed it since it was known to be in the bucket, for sure. */
export const isUnchanged = (known: Entry | undefined, local: WalkEntry | undefined) =>
  known !== undefined && local !== undefined && sameStat(known, local) && !isRacy(known);

/**
 * The state is flushed to the disk, and times and size of what it speaks of with it, but not its content: after
 * a power cut a file may be empty with the very times that it had. Nobody shortens a file and leaves its times.
 */
export function isDamaged(known: Entry, local: WalkEntry): boolean {
  const untouched = known.ino === local.ino && known.mtimeNs === local.mtimeNs;
  return known.kind === 'file' && local.kind === 'file' && untouched && local.size < known.size;
}

const ctimeMs = (entry: Entry) => Number(entry.ctimeNs / 1_000_000n);

/** Nothing was seen of it because of one of these folders, not because it is gone. */
export function isHidden(path: string, hidden: ReadonlySet<string>): boolean {
  if (hidden.size === 0) return false;
  return hidden.has('') || hidden.has(path) || ancestorsOf(path).some((folder) => hidden.has(folder));
}
