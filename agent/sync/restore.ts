import { linkSync, lstatSync, rmSync } from 'node:fs';
import path from 'node:path';
import { codeOf, messageOf } from '../../shared/errors.js';
import { isDirId, KeyError, pathOf, type EntryId } from '../../shared/bucket/keys.js';
import { fromMetadata } from '../../shared/bucket/metadata.js';
import { viewOf, type RemoteEntry } from '../../shared/bucket/view.js';
import { conflictPath } from './conflict-name.js';
import { openContent, sameContent } from './content.js';
import { keyNote, type SyncContext } from './context.js';
import { isDamaged, isUnchanged, RACY_WINDOW_MS } from './diff.js';
import { download, readObject } from './download.js';
import { sameStat, type WalkEntry } from './entry.js';
import { isGitLock } from './git.js';
import { forEachLimited } from './limits.js';
import { listObjects } from './list.js';
import { moveAside } from './move-aside.js';
import { hasSuccessor, mayBeOwn } from './own.js';
import { overAnything, type Place } from './place.js';
import { planRestore, type RestorePlan } from './restore-plan.js';
import { inFolder, ObstacleError, parentOf, UnsafePathError } from './safe-path.js';
import { S3Error } from '../../shared/s3/s3-error.js';
import type { ListedObject } from '../../shared/s3/s3-port.js';
import { abortUpload } from './upload.js';
import { rootIdentity, walk } from './walk.js';

/** Of objects that were refused the log names some. */
const MAX_TOLD = 20;

export interface RestoreOptions {
  /** Make the bucket when the server says that there is none. */
  createBucket: boolean;
  signal: AbortSignal;
}

/**
 * Brings the bucket's content to the disk. What a surviving volume has that the bucket has not is kept;
 * where both have different unseen versions, the bucket's keeps the name and the local one gets another.
 * Nothing is ever written to the bucket, except that the bucket itself may be made, and nothing on the disk is
 * removed because the bucket lacks it.
 *
 * @throws S3Error of kind `bucket` (a person must act); a disk error; the signal's reason
 */
export async function restore(context: SyncContext, options: RestoreOptions): Promise<void> {
  const identity = rootIdentity(context.root);
  if (identity === null) throw new Error(`${context.root} is not a folder`);
  context.state.adopt(identity);
  // Whose these were is dead.
  for (const [uploadId, key] of context.state.uploads) await abortUpload(context, key, uploadId);
  const listed = await listAll(context, options);
  const view = viewOf(listed, context.keys);
  // Not gone from the bucket: what the disk has of them is set aside, not removed.
  for (const id of view.hidden) context.state.delete(id);
  const seen = await walk(context.root);
  // Nothing can be said of what is in there, so nothing may be put in its place.
  for (const [folder, code] of seen.unreadable)
    if (code !== 'ENAMETOOLONG') throw new Error(`the disk cannot be read: ${code} at ${folder || '/'}`);
  for (const leftover of seen.leftovers) await removeFile(context, leftover);
  // Nobody works on the files yet: who held these is dead.
  for (const id of [...seen.entries.keys()].filter(isGitLock)) {
    await removeFile(context, pathOf(id));
    seen.entries.delete(id);
  }
  const plan = planRestore(view.entries, context.state.entries, seen.entries, context.state.complete);
  context.refused.clear();
  for (const { key, reason } of view.refused) context.refused.add(key, '', reason);
  const run = new RestoreRun(context, options, seen.entries);
  await run.execute(plan);
  context.state.markComplete();
  const count = context.refused.keys.length;
  if (count > 0)
    context.log.warn('objects stay in the bucket only: they cannot become files', {
      count,
      examples: context.refused.examples(MAX_TOLD),
    });
}

async function listAll(context: SyncContext, options: RestoreOptions): Promise<ListedObject[]> {
  try {
    return await listObjects(context, options.signal);
  } catch (error) {
    const missing = error instanceof S3Error && error.s3Code === 'NoSuchBucket';
    if (!missing || !options.createBucket) throw error;
    await context.request(() => context.s3.createBucket());
    context.log.info('bucket created');
    return listObjects(context, options.signal);
  }
}

class RestoreRun {
  constructor(
    private readonly context: SyncContext,
    private readonly options: RestoreOptions,
    private readonly disk: ReadonlyMap<EntryId, WalkEntry>,
  ) {}

  async execute(plan: RestorePlan): Promise<void> {
    for (const id of plan.forget) this.context.state.delete(id);
    const files = plan.download.filter((entry) => !isDirId(entry.id));
    const folders = plan.download.filter((entry) => isDirId(entry.id));
    if (plan.damaged.length > 0)
      this.context.log.warn('files are shorter than they were, as after a power cut: the bucket has them', {
        files: plan.damaged.slice(0, MAX_TOLD).map(({ id }) => pathOf(id)),
        count: plan.damaged.length,
      });
    await this.each(plan.damaged, (entry) => this.mend(entry));
    await this.each(plan.compare, (entry) => this.compare(entry));
    await this.each(files, (entry) => this.fetch(entry));
    await this.each(folders, (entry) => this.fetch(entry));
  }

  private each(entries: RemoteEntry[], work: (entry: RemoteEntry) => Promise<void>): Promise<void> {
    // Bodies are streamed to the disk: memory does not limit how many.
    return forEachLimited(
      entries,
      this.context.limits,
      () => 0,
      async (entry) => {
        this.options.signal.throwIfAborted();
        await work(entry);
        await this.context.saved();
      },
    );
  }

  /** Nobody works on the files yet: what is read now cannot change unnoticed, so it is not racy. */
  private readonly settled = () => this.context.now() + 2 * RACY_WINDOW_MS;

  private async fetch(entry: RemoteEntry, place: Place = overAnything, rounds = 3): Promise<void> {
    try {
      await download(this.context, entry.id, entry.key, {
        place,
        readAtMs: this.settled,
        signal: this.options.signal,
      });
    } catch (error) {
      const obstacle = obstacleOf(error, entry.id);
      if (obstacle !== null && rounds > 0) {
        await moveAside(this.context, obstacle.path, obstacle.kind);
        return this.fetch(entry, place, rounds - 1);
      }
      this.refuse(entry, error);
    }
  }

  /** What is left of it is kept beside the whole one, should a person have done this after all. */
  private async mend(entry: RemoteEntry): Promise<void> {
    const { now, state, counters } = this.context;
    if (this.disk.get(entry.id)?.size === 0) return this.fetch(entry);
    // Its name is never free: what is missing on the disk would be taken for deleted after a crash.
    await this.fetch(entry, (temporary, target) => {
      linkBeside(target, (attempt) =>
        conflictPath(pathOf(entry.id), new Date(now()), state.replica, attempt),
      );
      overAnything(temporary, target);
    });
    counters.conflicts += 1;
  }

  /** Goes on without an object that cannot become a file; rethrows what concerns all of them. */
  private refuse(entry: RemoteEntry, error: unknown): void {
    // Removed since it was listed.
    if (error instanceof S3Error && error.kind === 'missing') return;
    const local =
      error instanceof UnsafePathError ||
      error instanceof ObstacleError ||
      error instanceof KeyError ||
      ['BERTH_BAD_LINK', 'ENAMETOOLONG', 'EISDIR', 'ENOTEMPTY', 'EINVAL'].includes(codeOf(error) ?? '');
    if (!local && !(error instanceof S3Error && error.kind === 'object')) throw error;
    this.context.refused.add(entry.key, entry.etag, messageOf(error));
  }

  /** Both sides have the entry, and it is not known whether they agree. */
  private async compare(entry: RemoteEntry): Promise<void> {
    const { context } = this;
    const local = this.disk.get(entry.id);
    if (local === undefined || local.kind === 'dir') return this.fetch(entry);
    const known = context.state.entries.get(entry.id);
    const content = await openContent(context.root, local, context.now);
    try {
      const { md5, stat, kind } = content;
      const head = await context.request(() => context.s3.head(entry.key));
      if (head === null) return;
      const unchanged = isUnchanged(known, local);
      // A server that lists other ETags than it answers with.
      if (head.etag === known?.etag && !isDamaged(known, local)) return;
      const sameAsKnown = known !== undefined && md5 !== '' && known.md5 === md5 && known.kind === kind;
      const perhapsOwn = mayBeOwn(context, entry.key, known, head);
      if (!perhapsOwn && (unchanged || sameAsKnown)) return await this.fetch(entry);
      const meta = fromMetadata(head.metadata);
      const same = await sameContent(content, head, () => readObject(context, entry.key));
      const edited = !sameAsKnown && !(known && sameStat(known, local));
      const later = context.lastWriterWins ? perhapsOwn : hasSuccessor(context, entry.key, head, stat);
      const note = keyNote(context, entry.id, entry.key);
      const readAtMs = this.settled();
      if (same) {
        const mode = meta.mode ?? stat.mode;
        context.state.set(entry.id, { kind, etag: head.etag, md5, ...stat, mode, readAtMs, ...note });
        return;
      }
      if (edited && later) {
        // Sent before a crash and not recorded, and changed since: the disk is its successor. The size that no
        // file has makes the first cycle send it.
        const stale = { ...stat, size: -1 };
        context.state.set(entry.id, { kind, etag: head.etag, md5: '', ...stale, readAtMs, ...note });
        return;
      }
      // Perhaps ours, and not what was known to be there: an older version, which the server went back to, or a newer
      // one, which the disk lost in a power cut. Both are kept.
    } finally {
      content.close();
    }
    if (!context.lastWriterWins) {
      await moveAside(context, pathOf(entry.id), 'file');
      context.state.delete(entry.id);
      context.counters.conflicts += 1;
    }
    await this.fetch(entry);
  }
}

function linkBeside(target: string, nameOf: (attempt: number) => string): void {
  for (let attempt = 1; ; attempt++) {
    try {
      linkSync(target, path.join(path.dirname(target), path.posix.basename(nameOf(attempt))));
      return;
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw error;
    }
  }
}

/** What has to be moved out of the way before an object can take its place, or null. */
function obstacleOf(error: unknown, id: EntryId): { path: string; kind: 'file' | 'folder' } | null {
  if (error instanceof ObstacleError) return { path: error.obstacle, kind: 'file' };
  const folderInTheWay = ['EISDIR', 'ENOTEMPTY', 'EEXIST'].includes(codeOf(error) ?? '');
  return folderInTheWay && !isDirId(id) ? { path: pathOf(id), kind: 'folder' } : null;
}

async function removeFile(context: SyncContext, relative: string): Promise<void> {
  await inFolder(context.root, parentOf(relative), (folder) => {
    const file = path.join(folder, path.posix.basename(relative));
    if (lstatSync(file).isFile() || lstatSync(file).isSymbolicLink()) rmSync(file);
  }).catch(() => undefined);
}
