import { createHash } from 'node:crypto';
import type { Metadata } from '../s3/s3-port.js';

export type Kind = 'file' | 'symlink' | 'dir';

/** Unix file type bits as they are kept in `mode` (rclone's format). */
const TYPE_BITS: Record<Kind, number> = { file: 0o100000, symlink: 0o120000, dir: 0o040000 };

/** What an object's metadata says about the file; other tools' objects have none of it. */
export interface FileMeta {
  kind: Kind;
  /** Permission bits, or null when unknown. */
  mode: number | null;
  /** Seconds since 1970, or null when unknown. */
  mtime: number | null;
  /** Hex MD5 of the content. */
  md5: string | null;
  /** The replica that wrote it. */
  replica: string | null;
  /** Of the key that it wrote it to, see `markOf`. */
  mark: string | null;
}

/** Tells one key from another, in few bytes: a copy of an object has the mark of the key that it is from. */
export const markOf = (key: string) => createHash('sha256').update(key).digest('hex').slice(0, 16);

/** `mode` and `mtime` in rclone's format, the rest our own. */
export function toMetadata(
  kind: Kind,
  stat: { mode: number; mtimeNs: bigint },
  md5: string,
  writer: { replica: string; key: string },
): Metadata {
  const metadata: Metadata = {
    mode: (TYPE_BITS[kind] | stat.mode).toString(8),
    mtime: formatMtime(stat.mtimeNs),
    'berth-replica': writer.replica,
    'berth-key': markOf(writer.key),
  };
  if (md5 !== '') metadata['berth-md5'] = md5;
  return metadata;
}

export function fromMetadata(metadata: Metadata): FileMeta {
  const raw = /^[0-7]{1,7}$/.test(metadata.mode ?? '') ? Number.parseInt(metadata.mode ?? '', 8) : null;
  const mtime = /^-?\d{1,12}(\.\d{1,9})?$/.test(metadata.mtime ?? '') ? Number(metadata.mtime) : null;
  const md5 = /^[0-9a-f]{32}$/.test(metadata['berth-md5'] ?? '') ? (metadata['berth-md5'] ?? null) : null;
  return {
    kind: raw === null ? 'file' : kindOfMode(raw),
    mode: raw === null ? null : raw & 0o7777,
    mtime,
    md5,
    replica: metadata['berth-replica'] ?? null,
    mark: metadata['berth-key'] ?? null,
  };
}

function kindOfMode(mode: number): Kind {
  switch (mode & 0o170000) {
    case TYPE_BITS.symlink:
      return 'symlink';
    case TYPE_BITS.dir:
      return 'dir';
    default:
      return 'file';
  }
}

function formatMtime(ns: bigint): string {
  const negative = ns < 0n;
  const abs = negative ? -ns : ns;
  const seconds = abs / 1_000_000_000n;
  const rest = (abs % 1_000_000_000n).toString().padStart(9, '0');
  return `${negative ? '-' : ''}${seconds}.${rest}`;
}
