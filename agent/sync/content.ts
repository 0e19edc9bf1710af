import { createHash } from 'node:crypto';
import {
  closeSync,
  constants,
  fdatasync,
  fstatSync,
  lstatSync,
  openSync,
  readlinkSync,
  readSync,
  read,
} from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { codeOf } from '../../shared/errors.js';
import { pathOf } from '../../shared/bucket/keys.js';
import { fromMetadata, type Kind } from '../../shared/bucket/metadata.js';
import { toFileStat, type FileStat, type WalkEntry } from './entry.js';
import { candidatePartSizes, isPlainEtag, md5Hex, MULTIPART_THRESHOLD, multipartEtag } from './etag.js';
import type { ObjectHead } from '../../shared/s3/s3-port.js';
import { assertPlace, inFolder, parentOf } from './safe-path.js';

const readAt = promisify(read);
/** Tries to. */
const flush = (fd: number) => new Promise<void>((resolve) => fdatasync(fd, () => resolve()));
/** Files from this size on may be written to through a mapping. */
const MAPPED = 64 * 1024;

/** The file changed while it was read, or is not there any more: look again in the next cycle. */
export class UnstableError extends Error {
  override readonly name = 'UnstableError';
  readonly code = 'BERTH_UNSTABLE';
}

/** Below this the thread pool costs more than reading at once. */
const READ_AT_ONCE = 256 * 1024;

/**
 * One version of a file, link or folder, opened for reading. Small ones are in memory; large ones are
 * read in ranges from the open file and checked at the end.
 */
export interface Content {
  kind: Kind;
  stat: FileStat;
  /** When the stat was taken, ms since 1970. */
  readAtMs: number;
  /** The whole content, or null for a file above the multi-part threshold. */
  body: Buffer | null;
  /** Hex MD5, '' for a file above the threshold. */
  md5: string;
  range(start: number, length: number): Promise<Buffer>;
  /** @throws UnstableError when the file changed since it was opened */
  assertStable(): void;
  close(): void;
}

/**
 * Opens what the walk saw.
 *
 * @param tolerant - take a file as it is even though it is being written to
 * @throws UnstableError
 */
export async function openContent(
  root: string,
  seen: WalkEntry,
  now: () => number,
  tolerant = false,
): Promise<Content> {
  try {
    if (seen.kind === 'file') return await openFile(root, pathOf(seen.id), now, tolerant);
    if (seen.kind === 'symlink') return await readLink(root, pathOf(seen.id), now);
    return inMemory('dir', { ...seen }, now(), Buffer.alloc(0));
  } catch (error) {
    // ELOOP and ENXIO: a link or a pipe took the file's place after the walk.
    if (['ENOENT', 'ENOTDIR', 'ELOOP', 'ENXIO', 'BERTH_UNSAFE_PATH'].includes(codeOf(error) ?? ''))
      throw new UnstableError('the file vanished or was replaced');
    throw error;
  }
}

async function readLink(root: string, relative: string, now: () => number): Promise<Content> {
  return inFolder(root, parentOf(relative), (folder) => {
    const link = path.join(folder, path.posix.basename(relative));
    const readAtMs = now();
    const stat = lstatSync(link, { bigint: true });
    if (!stat.isSymbolicLink()) throw new UnstableError('no longer a link');
    const target = readlinkSync(link, { encoding: 'buffer' });
    return inMemory('symlink', toFileStat(stat), readAtMs, target);
  });
}

function inMemory(kind: Kind, stat: FileStat, readAtMs: number, body: Buffer): Content {
  return {
    ...{ kind, stat, readAtMs, body },
    md5: md5Hex(body),
    range: async (start, length) => body.subarray(start, start + length),
    assertStable: () => undefined,
    close: () => undefined,
  };
}

async function openFile(
  root: string,
  relative: string,
  now: () => number,
  tolerant: boolean,
): Promise<Content> {
  // O_NONBLOCK: opening a pipe that took the file's place must not wait for its other end.
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const fd = openSync(path.join(root, relative), flags);
  try {
    assertPlace(fd, root, relative);
    // What is written through a mapping shows in no time stamp until the page was flushed once, so that the
    // next write to it is noticed. Small files are hardly ever mapped. A disk that cannot write can still be read.
    if (fstatSync(fd).size >= MAPPED) await flush(fd);
    const readAtMs = now();
    const before = fstatSync(fd, { bigint: true });
    if (!before.isFile()) throw new UnstableError('no longer a file');
    const stat = toFileStat(before);
    const assertStable = () => {
      const after = toFileStat(fstatSync(fd, { bigint: true }));
      const same =
        after.size === stat.size && after.mtimeNs === stat.mtimeNs && after.ctimeNs === stat.ctimeNs;
      if (!same && !tolerant) throw new UnstableError('the file changed while it was read');
    };
    if (stat.size <= MULTIPART_THRESHOLD) {
      const body = await readRange(fd, 0, stat.size);
      assertStable();
      closeSync(fd);
      if (body.length !== stat.size) stat.size = body.length;
      return inMemory('file', stat, readAtMs, body);
    }
    return {
      ...{ kind: 'file', stat, readAtMs, body: null, md5: '', assertStable },
      range: (start, length) => readRange(fd, start, length),
      close: () => closeSync(fd),
    };
  } catch (error) {
    closeQuietly(fd);
    throw error;
  }
}

async function readRange(fd: number, start: number, length: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(length);
  let filled = 0;
  while (filled < length) {
    const count =
      length <= READ_AT_ONCE
        ? readSync(fd, buffer, filled, length - filled, start + filled)
        : (await readAt(fd, buffer, filled, length - filled, start + filled)).bytesRead;
    if (count === 0) break;
    filled += count;
  }
  return buffer.subarray(0, filled);
}

function closeQuietly(fd: number): void {
  try {
    closeSync(fd);
  } catch {
    // Closed already by the code that failed after closing.
  }
}

/**
 * Whether an object holds exactly this content. Knows plain ETags (the MD5) and multi-part ETags (by reading the
 * file in parts); where neither says so, and our own MD5 mark does, the object itself is read.
 *
 * @param read - the object, which is small enough for memory
 */
export async function sameContent(
  content: Content,
  object: ObjectHead,
  read: () => Promise<Buffer>,
): Promise<boolean> {
  const meta = fromMetadata(object.metadata);
  if (object.size !== content.stat.size) return false;
  if (content.kind !== 'dir' && meta.kind !== content.kind) return false;
  if (content.md5 === '' || meta.md5 === null || object.etag === meta.md5)
    return matchesEtag(content, object.etag);
  if (meta.md5 !== content.md5) return false;
  // Other tools take the mark along when they change the content: only the content itself tells.
  return (await matchesEtag(content, object.etag)) || md5Hex(await read()) === content.md5;
}

/** Whether this content, uploaded as a whole or in the usual part sizes, gives this ETag. */
export async function matchesEtag(content: Content, etag: string): Promise<boolean> {
  if (isPlainEtag(etag)) return (content.md5 === '' ? await md5Of(content) : content.md5) === etag;
  for (const partSize of candidatePartSizes(etag, content.stat.size)) {
    if ((await partsEtag(content, partSize)) === etag) return true;
  }
  return false;
}

async function md5Of(content: Content): Promise<string> {
  const hash = createHash('md5');
  for await (const part of partsOf(content, 1024 * 1024)) hash.update(part);
  return hash.digest('hex');
}

async function partsEtag(content: Content, partSize: number): Promise<string> {
  const digests: Buffer[] = [];
  for await (const part of partsOf(content, partSize)) digests.push(createHash('md5').update(part).digest());
  return multipartEtag(digests);
}

async function* partsOf(content: Content, partSize: number): AsyncGenerator<Buffer> {
  for (let start = 0; start < content.stat.size || start === 0; start += partSize) {
    yield await content.range(start, Math.min(partSize, content.stat.size - start));
  }
}
