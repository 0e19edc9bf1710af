import { createHash } from 'node:crypto';
import {
  closeSync,
  fchmodSync,
  fchownSync,
  futimesSync,
  lchownSync,
  lstatSync,
  lutimesSync,
  open as openCallback,
  rmSync,
  symlinkSync,
  writeFileSync,
  type BigIntStats,
} from 'node:fs';
import { chmod, open, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import type { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { BerthError } from '../../shared/errors.js';
import { isDirId, pathOf, type EntryId } from '../../shared/bucket/keys.js';
import { fromMetadata, type FileMeta } from '../../shared/bucket/metadata.js';
import { toS3Failure } from '../../shared/s3/body-error.js';
import { keyNote, type SyncContext } from './context.js';
import { sameStat, toFileStat, type Entry, type FileStat } from './entry.js';
import { md5Hex } from './etag.js';
import { collect } from '../../shared/s3/collect.js';
import { S3Error } from '../../shared/s3/s3-error.js';
import type { ObjectContent } from '../../shared/s3/s3-port.js';
import type { Place } from './place.js';
import { ensureFolder, inFolder, parentOf } from './safe-path.js';
import { temporaryName } from './walk.js';

/** Making a file is what takes a file system longest: others are received meanwhile. */
const openFd = promisify(openCallback);
/** Up to this size the thread pool costs more than writing at once. */
const WRITE_AT_ONCE = 256 * 1024;
/** Longest target that Linux takes for a symbolic link. */
const MAX_LINK_BYTES = 4095;

/** Not the version that was asked for. */
export class UnwantedError extends Error {
  override readonly name = 'UnwantedError';
}

export interface DownloadOptions {
  /** What may be replaced; the call rejects with EEXIST when something else has the name. */
  place: Place;
  /** What to remember as the time of reading (see `Entry.readAtMs`); asked once the file has its name. */
  readAtMs: () => number;
  signal?: AbortSignal | undefined;
  /** Whether the version that came is wanted; of another one nothing is written, and the call rejects. */
  wants?: (object: ObjectContent) => boolean;
}

/**
 * Brings one object to the disk: written under a temporary name in the same folder, then put into its
 * place. Records it in the state.
 *
 * @throws S3Error, UnsafePathError, ObstacleError, or the operating system's errors
 */
export async function download(
  context: SyncContext,
  id: EntryId,
  key: string,
  options: DownloadOptions,
): Promise<void> {
  const relative = pathOf(id);
  if (isDirId(id)) return downloadFolder(context, id, key, options);
  await ensureFolder(context.root, parentOf(relative), context.owner);
  await context.request(() =>
    inFolder(context.root, parentOf(relative), async (folder) => {
      const object = await context.s3.get(key, options.signal);
      if (options.wants?.(object) === false) {
        object.body.destroy();
        throw new UnwantedError('this version is not wanted');
      }
      const meta = fromMetadata(object.metadata);
      const temporary = path.join(folder, temporaryName());
      try {
        const md5 =
          meta.kind === 'symlink'
            ? await writeLink(temporary, object, context)
            : await writeFile(temporary, object, meta, context, options.signal);
        const target = path.join(folder, path.posix.basename(relative));
        const written = lstatSync(temporary, { bigint: true });
        options.place(temporary, target);
        const kind = meta.kind === 'symlink' ? 'symlink' : 'file';
        const stat = placedStat(target, written);
        context.state.set(id, entryOf(stat, kind, object.etag, md5, options, keyNote(context, id, key)));
      } catch (error) {
        object.body.destroy();
        rmSync(temporary, { force: true });
        throw error;
      }
    }),
  );
  context.counters.downloaded += 1;
}

/**
 * How a file looks that has just got its name, by which others may have found and changed it already: then it
 * looks as it was written, so that the next cycle finds it different.
 */
function placedStat(target: string, written: BigIntStats): FileStat {
  const before = toFileStat(written);
  const after = toFileStat(lstatSync(target, { bigint: true }));
  // The new name has changed its ctime.
  return sameStat({ ...before, ctimeNs: after.ctimeNs }, after) ? after : before;
}

function entryOf(
  stat: FileStat,
  kind: Entry['kind'],
  etag: string,
  md5: string,
  options: DownloadOptions,
  note: { key?: string },
): Entry {
  return { kind, etag, md5, ...stat, readAtMs: options.readAtMs(), ...note };
}

async function downloadFolder(
  context: SyncContext,
  id: EntryId,
  key: string,
  options: DownloadOptions,
): Promise<void> {
  const head = await context.request(() => context.s3.head(key));
  if (head === null) return;
  const relative = pathOf(id);
  await ensureFolder(context.root, relative, context.owner);
  const mode = fromMetadata(head.metadata).mode;
  await inFolder(context.root, relative, async (folder) => {
    // `folder` is a link of /proc to the open folder: chmod follows it to nothing else.
    if (mode !== null) await chmod(folder, mode & 0o3777);
    const stat = lstatSync(`${folder}/.`, { bigint: true });
    context.state.set(
      id,
      entryOf(toFileStat(stat), 'dir', head.etag, '', options, keyNote(context, id, key)),
    );
  });
}

async function writeLink(temporary: string, object: ObjectContent, context: SyncContext): Promise<string> {
  if (object.size > MAX_LINK_BYTES || object.size === 0)
    throw new BerthError('BERTH_BAD_LINK', 'the object is marked as a link, but holds no link target');
  const target = await receive(object, () => collect(object.body));
  if (target.includes(0)) throw new BerthError('BERTH_BAD_LINK', 'the link target holds a NUL');
  // The target may point anywhere; it is the user's, and the agent never follows it.
  symlinkSync(target, temporary);
  if (context.owner) lchownSync(temporary, context.owner.uid, context.owner.gid);
  const mtime = fromMetadata(object.metadata).mtime;
  if (mtime !== null) lutimesSync(temporary, mtime, mtime);
  return md5Hex(target);
}

async function writeFile(
  temporary: string,
  object: ObjectContent,
  meta: FileMeta,
  context: SyncContext,
  signal: AbortSignal | undefined,
): Promise<string> {
  if (object.size <= WRITE_AT_ONCE) {
    const body = await receive(object, () => collect(object.body));
    if (body.length !== object.size) throw incomplete(body.length, object.size);
    const fd = await openFd(temporary, 'wx', 0o600);
    try {
      writeFileSync(fd, body);
      dress(fd, object, meta, context);
    } finally {
      closeSync(fd);
    }
    return md5Hex(body);
  }
  const handle = await open(temporary, 'wx', 0o600);
  try {
    const md5 = await receive(object, () => pour(object.body, object.size, handle, signal));
    dress(handle.fd, object, meta, context);
    return md5;
  } finally {
    await handle.close();
  }
}

/** Gives a file its owner, mode and time. */
function dress(fd: number, object: ObjectContent, meta: FileMeta, context: SyncContext): void {
  if (context.owner) fchownSync(fd, context.owner.uid, context.owner.gid);
  // No set-uid bits out of a bucket that others may write to.
  fchmodSync(fd, (meta.mode ?? 0o644) & 0o777);
  const mtime = meta.mtime ?? object.lastModifiedMs / 1000;
  futimesSync(fd, mtime, mtime);
}

const incomplete = (received: number, size: number) =>
  new S3Error('network', 'IncompleteBody', `the answer ended after ${received} of ${size} bytes`);

/** @returns hex MD5 */
async function pour(
  body: Readable,
  size: number,
  handle: FileHandle,
  signal: AbortSignal | undefined,
): Promise<string> {
  const hash = createHash('md5');
  let received = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    signal?.throwIfAborted();
    received += chunk.length;
    const writing = writeAll(handle, chunk);
    // Meanwhile, on the other core.
    hash.update(chunk);
    await writing;
  }
  if (received !== size) throw incomplete(received, size);
  return hash.digest('hex');
}

async function writeAll(handle: FileHandle, chunk: Buffer): Promise<void> {
  for (let written = 0; written < chunk.length;) {
    written += (await handle.write(chunk, written)).bytesWritten;
  }
}

/** The whole of an object that fits into memory. */
export function readObject({ s3, request }: SyncContext, key: string): Promise<Buffer> {
  return request(async () => {
    const object = await s3.get(key);
    return receive(object, () => collect(object.body));
  });
}

/** A connection that breaks while the body comes in is a failure of the request like any other. */
async function receive<T>(object: ObjectContent, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw toS3Failure(error, object.body);
  }
}
