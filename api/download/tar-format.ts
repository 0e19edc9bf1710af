import { Header, Pax } from 'tar';
import type { Kind } from '../../shared/bucket/metadata.js';

/** What an archive says of a file, a link or a folder before its content. */
export interface TarEntry {
  kind: Kind;
  /** Relative; any names. */
  path: string;
  /** Permission bits. */
  mode: number;
  /** Seconds since 1970; kept to the millisecond. */
  mtime: number;
  /** Bytes of content that follow; 0 for all but files. */
  size: number;
  /** Target of a link. */
  target?: string;
}

const BLOCK = 512;
/** The latest time that a header holds, in 2242. */
const MAX_SECONDS = 0o77777777777;
const TYPES = { file: 'File', symlink: 'SymbolicLink', dir: 'Directory' } as const;

/** What ends an archive. */
export const END_OF_TAR = Buffer.alloc(2 * BLOCK);

/**
 * The header of an entry. What the plain one (ustar) cannot hold – long names, those beyond ASCII,
 * fractions of seconds – is in a pax header before it.
 */
export function headerOf({ kind, path, mode, mtime, size, target }: TarEntry): Buffer {
  const micros = Math.round(Math.min(Math.max(mtime, 0), MAX_SECONDS) * 1e6);
  const time = new Date(micros / 1000);
  const fields = { path, size, mtime: time, ...(target === undefined ? {} : { linkpath: target }) };
  // Owners are not kept: whoever unpacks it as root owns it.
  const header = new Header({ ...fields, type: TYPES[kind], mode, uid: 0, gid: 0 });
  const block = Buffer.alloc(BLOCK);
  const isPlain = !header.encode(block) && time.getMilliseconds() === 0;
  return isPlain ? block : Buffer.concat([new Pax(fields).encode(), block]);
}

/** What fills the last block of a content. */
export function paddingOf(size: number): Buffer {
  return Buffer.alloc((BLOCK - (size % BLOCK)) % BLOCK);
}
