import type { BigIntStats } from 'node:fs';
import type { EntryId } from '../../shared/bucket/keys.js';
import type { Kind } from '../../shared/bucket/metadata.js';

/** What `lstat` tells; together these change whenever the content does (but for the racy rule). */
export interface FileStat {
  /** Bytes. */
  size: number;
  /** Nanoseconds since 1970. */
  mtimeNs: bigint;
  ctimeNs: bigint;
  ino: bigint;
  /** Permission bits, 12 of them. */
  mode: number;
}

/** One thing found by the walk. */
export interface WalkEntry extends FileStat {
  id: EntryId;
  kind: Kind;
  /** Only for folders: nothing in it. */
  empty?: boolean;
}

/** One thing that is known to be in the bucket, and how it looked on the disk at that time. */
export interface Entry extends FileStat {
  kind: Kind;
  etag: string;
  /** Hex MD5 of the content; '' when unknown (multi-part uploads). */
  md5: string;
  /** When the content was read (ms since 1970): a change within the same clock tick shows in no stat. */
  readAtMs: number;
  /** The object's key below the prefix, only where it is not the one we would choose. */
  key?: string;
}

/** A folder with this mode and something in it needs no marker. */
export const DEFAULT_DIR_MODE = 0o755;

export function toFileStat(stat: BigIntStats): FileStat {
  return {
    size: Number(stat.size),
    mtimeNs: stat.mtimeNs,
    ctimeNs: stat.ctimeNs,
    ino: stat.ino,
    mode: Number(stat.mode) & 0o7777,
  };
}

/** Nothing about the file's content or mode can have changed, as far as lstat tells. */
export function sameStat(a: FileStat, b: FileStat): boolean {
  return (
    a.size === b.size &&
    a.mtimeNs === b.mtimeNs &&
    a.ctimeNs === b.ctimeNs &&
    a.ino === b.ino &&
    a.mode === b.mode
  );
}
