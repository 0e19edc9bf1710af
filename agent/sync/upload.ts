import { randomUUID } from 'node:crypto';
import { lstatSync, renameSync } from 'node:fs';
import path from 'node:path';
import { codeOf } from '../../shared/errors.js';
import { idOf, pathOf, type EntryId } from '../../shared/bucket/keys.js';
import { fromMetadata, toMetadata } from '../../shared/bucket/metadata.js';
import { conflictPath } from './conflict-name.js';
import { matchesEtag, openContent, sameContent, type Content } from './content.js';
import { keyFor, keyNote, type SyncContext } from './context.js';
import { download, readObject } from './download.js';
import { toFileStat, type Entry, type WalkEntry } from './entry.js';
import { partSizeFor } from './etag.js';
import type { Condition, ObjectHead, UploadedPart } from '../../shared/s3/s3-port.js';
import { hasSuccessor } from './own.js';
import { ifAbsent } from './place.js';
import { inFolder, parentOf } from './safe-path.js';
import { S3Error } from '../../shared/s3/s3-error.js';

export type PutOutcome = 'uploaded' | 'unchanged' | 'adopted' | 'conflict';

/** Rounds of "somebody was there first" before an entry is left for the next cycle. */
const MAX_ROUNDS = 6;
/** Conflict copies of one file that are made within a second, beyond which something is wrong. */
const MAX_COPIES = 50;
const PARTS_AT_ONCE = 4;
/** Tells one upload in parts from all others. */
const UPLOAD_MARK = 'berth-upload';

/**
 * Brings one entry of the disk to the bucket, never over a version that this replica has not seen.
 *
 * @param tolerant - take a file as it is even though it is being written to
 * @throws S3Error, UnstableError, KeyError
 */
export async function putEntry(context: SyncContext, seen: WalkEntry, tolerant = false): Promise<PutOutcome> {
  const content = await openContent(context.root, seen, context.now, tolerant);
  try {
    const known = context.state.entries.get(seen.id);
    if (known && (await isKnown(known, content))) {
      context.state.set(seen.id, { ...known, ...content.stat, readAtMs: content.readAtMs });
      return 'unchanged';
    }
    return await putContent(context, seen.id, content);
  } finally {
    content.close();
  }
}

async function isKnown(known: Entry, content: Content): Promise<boolean> {
  if (known.kind !== content.kind || known.mode !== content.stat.mode) return false;
  if (content.kind === 'dir') return true;
  if (known.size !== content.stat.size) return false;
  if (known.md5 !== '' && content.md5 !== '') return known.md5 === content.md5;
  return matchesEtag(content, known.etag);
}

async function putContent(context: SyncContext, id: EntryId, content: Content): Promise<PutOutcome> {
  const key = keyFor(context, id);
  const known = context.state.entries.get(id);
  let condition: Condition = known ? { kind: 'match', etag: known.etag } : { kind: 'absent' };
  let refusals = 0;
  for (let round = 1; round <= MAX_ROUNDS; round++) {
    try {
      const etag = await send(context, key, content, condition);
      record(context, id, key, content, etag);
      context.counters.uploaded += 1;
      return 'uploaded';
    } catch (error) {
      if (!lostRace(error)) throw error;
    }
    const head = await context.request(() => context.s3.head(key));
    if (head === null) {
      // Deleted by somebody else: a change beats a delete.
      if (condition.kind === 'match') condition = { kind: 'absent' };
      // There and not there: some servers mean that the name is a folder's, perhaps of an empty one. A marker
      // has no content that could replace another's.
      else if (content.kind === 'dir') condition = { kind: 'none' };
      else if (++refusals === 1) await context.request(() => context.s3.removeFolder(key));
      else if (refusals > 2) return keepBoth(context, id, null, content);
      continue;
    }
    const same = content.kind === 'dir' || (await sameContent(content, head, () => readObject(context, key)));
    const meta = fromMetadata(head.metadata);
    const sameMode = meta.mode === null || meta.mode === content.stat.mode;
    if (same && sameMode) {
      // Usually our own write, whose answer got lost.
      record(context, id, key, content, head.etag);
      return 'adopted';
    }
    // A write of ours that was not recorded before a crash: nobody's unseen work is replaced.
    const later = hasSuccessor(context, key, head, content.stat) && !context.doubted.has(id);
    if (same || later || context.lastWriterWins) condition = { kind: 'match', etag: head.etag };
    else return keepBoth(context, id, key, content);
  }
  throw new S3Error('busy', 'TooManyWriters', 'others kept changing the object');
}

const lostRace = (error: unknown) =>
  error instanceof S3Error && (error.kind === 'precondition' || error.kind === 'missing');

function record(context: SyncContext, id: EntryId, key: string, content: Content, etag: string): void {
  context.doubted.delete(id);
  context.state.set(id, {
    kind: content.kind,
    etag,
    md5: content.md5,
    ...content.stat,
    readAtMs: content.readAtMs,
    ...keyNote(context, id, key),
  });
}

const writerOf = ({ state: { replica } }: SyncContext, key: string) => ({ replica, key });

async function send(
  context: SyncContext,
  key: string,
  content: Content,
  condition: Condition,
): Promise<string> {
  const metadata = toMetadata(content.kind, content.stat, content.md5, writerOf(context, key));
  const { body } = content;
  if (body === null) return sendInParts(context, key, content, condition);
  return (await context.request(() => context.s3.put(key, body, metadata, condition))).etag;
}

async function sendInParts(
  context: SyncContext,
  key: string,
  content: Content,
  condition: Condition,
): Promise<string> {
  const { s3, state, request } = context;
  const nonce = randomUUID();
  const metadata = {
    ...toMetadata(content.kind, content.stat, '', writerOf(context, key)),
    [UPLOAD_MARK]: nonce,
  };
  const uploadId = await request(() => s3.startUpload(key, metadata));
  state.beginUpload(uploadId, key);
  try {
    const partSize = partSizeFor(content.stat.size);
    const count = Math.ceil(content.stat.size / partSize);
    const parts: UploadedPart[] = [];
    let next = 1;
    const worker = async () => {
      for (let number = next++; number <= count; number = next++) {
        const start = (number - 1) * partSize;
        const wanted = Math.min(partSize, content.stat.size - start);
        const data = await content.range(start, wanted);
        if (data.length !== wanted) content.assertStable();
        parts.push(await request(() => s3.putPart(key, uploadId, number, data)));
        await context.saved();
      }
    };
    const workers = Array.from({ length: PARTS_AT_ONCE }, worker);
    const outcomes = await Promise.allSettled(workers);
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
    content.assertStable();
    parts.sort((a, b) => a.number - b.number);
    const etag = await complete(context, key, uploadId, parts, condition, nonce);
    state.endUpload(uploadId);
    return etag;
  } catch (error) {
    await abortUpload(context, key, uploadId);
    throw error;
  }
}

/** The answer may have been lost: then the object has the nonce of this very upload, whatever its ETag is. */
async function complete(
  { s3, request }: SyncContext,
  key: string,
  uploadId: string,
  parts: UploadedPart[],
  condition: Condition,
  nonce: string,
): Promise<string> {
  try {
    return (await request(() => s3.completeUpload(key, uploadId, parts, condition))).etag;
  } catch (error) {
    if (!lostRace(error)) throw error;
    const head = await request(() => s3.head(key));
    if (head?.metadata[UPLOAD_MARK] !== nonce) throw error;
    return head.etag;
  }
}

/**
 * Parts of uploads that nobody completes are stored (and billed) for ever. Tried once, since nobody waits for it; as
 * long as it may still work it stays on record, for the next start.
 */
export async function abortUpload({ s3, state }: SyncContext, key: string, uploadId: string): Promise<void> {
  const failure = await s3.abortUpload(key, uploadId).then(
    () => null,
    (error: unknown) => error,
  );
  if (!(failure instanceof S3Error && failure.transient)) state.endUpload(uploadId);
}

/**
 * Somebody else's version has the name. Ours goes to a name of its own – in the bucket first, then on
 * the disk – and theirs takes the name on the disk too.
 *
 * @param theirs - key of the other version, or null when it is a folder, which comes with the next restore
 */
async function keepBoth(
  context: SyncContext,
  id: EntryId,
  theirs: string | null,
  content: Content,
): Promise<PutOutcome> {
  const from = pathOf(id);
  const to = await putCopy(context, id, content);
  await moveTo(context, from, to, content);
  context.state.delete(id);
  context.doubted.delete(id);
  context.counters.conflicts += 1;
  context.log.warn('conflict: another writer has the name, the local version was kept beside it', {
    path: from,
    copy: to,
  });
  if (theirs === null) return 'conflict';
  context.wanted.set(id, theirs);
  await fetchWanted(context, id);
  return 'conflict';
}

/** @returns the path under which our version is in the bucket now */
async function putCopy(context: SyncContext, id: EntryId, content: Content): Promise<string> {
  for (let attempt = 1; attempt <= MAX_COPIES; attempt++) {
    const copy = conflictPath(pathOf(id), new Date(context.now()), context.state.replica, attempt);
    const copyId = idOf(copy, content.kind);
    const key = context.keys.keyOf(copyId);
    if (context.state.entries.has(copyId) || (await existsBelow(context.root, copy))) continue;
    try {
      const etag = await send(context, key, content, { kind: 'absent' });
      record(context, copyId, key, content, etag);
      context.counters.uploaded += 1;
      return copy;
    } catch (error) {
      if (!lostRace(error)) throw error;
      const head: ObjectHead | null = await context.request(() => context.s3.head(key));
      if (head === null || !(await sameContent(content, head, () => readObject(context, key)))) continue;
      record(context, copyId, key, content, head.etag);
      return copy;
    }
  }
  throw new S3Error('busy', 'TooManyCopies', 'no name was free for the local version');
}

async function moveTo(context: SyncContext, from: string, to: string, content: Content): Promise<void> {
  const copyId = idOf(to, content.kind);
  await inFolder(context.root, parentOf(from), (folder) => {
    const target = path.join(folder, path.posix.basename(to));
    renameSync(path.join(folder, path.posix.basename(from)), target);
    const stat = toFileStat(lstatSync(target, { bigint: true }));
    const known = context.state.entries.get(copyId);
    const unchanged =
      stat.ino === content.stat.ino &&
      stat.size === content.stat.size &&
      stat.mode === content.stat.mode &&
      stat.mtimeNs === content.stat.mtimeNs;
    // Edited after it was read: the next cycle finds it different and sends it again.
    if (known && unchanged) context.state.set(copyId, { ...known, ...stat, readAtMs: context.now() });
  });
}

/** Brings a version of somebody else's to the disk; tried again in later cycles when that fails now. */
export async function fetchWanted(context: SyncContext, id: EntryId): Promise<void> {
  const key = context.wanted.get(id);
  if (key === undefined) return;
  try {
    await download(context, id, key, { place: ifAbsent, readAtMs: context.now });
    context.wanted.delete(id);
  } catch (error) {
    if (error instanceof S3Error && error.kind !== 'missing' && error.kind !== 'object') throw error;
    // The name was taken on the disk again, or the object is gone: the next walk sees what is there.
    context.wanted.delete(id);
    context.log.warn('the other version stays in the bucket only', { path: pathOf(id), code: codeOf(error) });
  }
}

async function existsBelow(root: string, relative: string): Promise<boolean> {
  try {
    return await inFolder(root, parentOf(relative), (folder) => {
      lstatSync(path.join(folder, path.posix.basename(relative)));
      return true;
    });
  } catch {
    return false;
  }
}
