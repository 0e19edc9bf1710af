import { linkSync, lstatSync, renameSync, rmSync, type BigIntStats } from 'node:fs';
import { toFileStat, type FileStat } from './entry.js';

/**
 * Puts a finished file under its name. Both are in one folder, so that nobody ever sees half a file.
 *
 * @throws EEXIST when something has the name that is not to be replaced; then the temporary file stays
 */
export type Place = (temporary: string, target: string) => void;

/** Whatever has the name goes: nobody works on the files yet. */
export const overAnything: Place = (temporary, target) => renameSync(temporary, target);

/** A file that the user made meanwhile stays. */
export const ifAbsent: Place = (temporary, target) => {
  linkSync(temporary, target);
  rmSync(temporary);
};

/**
 * Replaces the version that is known to be in the bucket, and no other: the user may write at any moment.
 * For an instant nothing has the name; replacing in one step could hit a file that nobody looked at.
 */
export const ifUnchanged =
  (known: FileStat): Place =>
  (temporary, target) => {
    const aside = `${temporary}-old`;
    takeAside(target, aside, known);
    try {
      ifAbsent(temporary, target);
    } finally {
      rmSync(aside);
    }
  };

/**
 * Removes a file as long as it is the version that is known.
 *
 * @param aside - a free name in the same folder
 * @throws EEXIST when it is another one
 */
export function removeUnchanged(target: string, aside: string, known: FileStat): void {
  takeAside(target, aside, known);
  rmSync(aside);
}

/** Looks at the file only once no name leads to it any more; gives the name back if it is not the known one. */
function takeAside(target: string, aside: string, known: FileStat): void {
  if (!isKnown(lstatSync(target, { bigint: true }), known)) throw changed(target);
  renameSync(target, aside);
  const stat = lstatSync(aside, { bigint: true });
  if (isKnown(stat, known)) return;
  giveBack(aside, target, stat);
  throw changed(target);
}

function giveBack(aside: string, target: string, stat: BigIntStats): void {
  // A folder cannot be linked, and takes no name but a free one's or an empty folder's.
  if (stat.isDirectory()) return renameSync(aside, target);
  try {
    linkSync(aside, target);
  } catch {
    // The user has replaced it by now.
  }
  rmSync(aside);
}

/** ctime is left out: taking another name changes it. */
function isKnown(stat: BigIntStats, known: FileStat): boolean {
  const { size, mtimeNs, ino, mode } = toFileStat(stat);
  return size === known.size && mtimeNs === known.mtimeNs && ino === known.ino && mode === known.mode;
}

const changed = (target: string) =>
  Object.assign(new Error(`${target} has changed meanwhile`), { code: 'EEXIST' });
