import { rmdirSync } from 'node:fs';
import path from 'node:path';
import { codeOf, messageOf } from '../../shared/errors.js';
import { isDirId, KeyError, pathOf, type EntryId } from '../../shared/bucket/keys.js';
import { viewOf, type RemoteEntry, type RemoteView } from '../../shared/bucket/view.js';
import { S3Error } from '../../shared/s3/s3-error.js';
import type { ObjectContent } from '../../shared/s3/s3-port.js';
import { doubt, type SyncContext } from './context.js';
import { download, UnwantedError } from './download.js';
import { removeEmptied } from './emptied.js';
import type { Entry } from './entry.js';
import { forEachLimited } from './limits.js';
import { listObjects } from './list.js';
import { mayBeOwn } from './own.js';
import { ifAbsent, ifUnchanged, removeUnchanged, type Place } from './place.js';
import { planPull, type PullPlan } from './pull-plan.js';
import { exists, inFolder, ObstacleError, parentOf, UnsafePathError } from './safe-path.js';
import { sameVolume } from './state.js';
import { temporaryName, walk } from './walk.js';

export interface PullResult {
  downloaded: number;
  removed: number;
}

/**
 * Brings to the disk what others changed in the bucket since, while the user works: never over a change
 * that is only here, which is the cycle's business. One listing, and one request a changed entry.
 *
 * @throws S3Error, or a disk error
 */
export async function pull(context: SyncContext): Promise<PullResult> {
  const listed = await listObjects(context);
  const view = viewOf(listed, context.keys);
  context.rules.refresh?.();
  const seen = await walk(context.root, context.rules);
  const { identity } = context.state;
  if (seen.root === null || identity === null || !sameVolume(seen.root, identity))
    return { downloaded: 0, removed: 0 };
  context.refused.keepOnly(new Set(listed.map(({ key }) => key)));
  for (const { key, reason } of view.refused) context.refused.add(key, '', reason);
  const plan = planPull(view, context.state.entries, seen.entries);
  return new PullRun(context, view).execute(plan);
}

class PullRun {
  private readonly result: PullResult = { downloaded: 0, removed: 0 };

  constructor(
    private readonly context: SyncContext,
    private readonly view: RemoteView,
  ) {}

  async execute(plan: PullPlan): Promise<PullResult> {
    const { state } = this.context;
    // Deepest first, so that a folder is empty when its turn comes.
    for (const { id, known } of [...plan.remove].sort((a, b) => (a.id < b.id ? 1 : -1)))
      await this.remove(id, known);
    for (const id of plan.forget) state.delete(id);
    await this.each(plan.replace, ({ remote, known }) => this.replace(remote, known));
    await this.each(plan.fetch, (remote) => this.fetchNew(remote));
    await this.each(plan.folders, (remote) => this.fetch(remote, ifAbsent));
    return this.result;
  }

  private each<T>(items: T[], work: (item: T) => Promise<void>): Promise<void> {
    return forEachLimited(
      items,
      this.context.limits,
      () => 0,
      async (item) => {
        await work(item);
        await this.context.saved();
      },
    );
  }

  /** A version that may be our own, and is not the last one: the cycle keeps both. */
  private async replace(remote: RemoteEntry, known: Entry): Promise<void> {
    const { context } = this;
    let older = false;
    const wants = (object: ObjectContent) => {
      // A server that lists other ETags than it answers with.
      if (object.etag === known.etag) return false;
      older = mayBeOwn(context, remote.key, known, object);
      return !older;
    };
    try {
      await this.fetch(remote, ifUnchanged(known), wants);
    } catch (error) {
      if (!(error instanceof UnwantedError)) throw error;
      if (older) doubt(context, remote.id);
    }
  }

  private async fetchNew(remote: RemoteEntry): Promise<void> {
    // Left out by a rule, or made since the walk: no need to ask for what has no place.
    if (exists(path.join(this.context.root, remote.id))) return;
    await this.fetch(remote, ifAbsent);
    this.context.wanted.delete(remote.id);
  }

  private async fetch(
    remote: RemoteEntry,
    place: Place,
    wants: (object: ObjectContent) => boolean = () => true,
  ): Promise<void> {
    const { refused } = this.context;
    if (refused.has(remote.key, remote.etag)) return;
    try {
      await download(this.context, remote.id, remote.key, { place, wants, readAtMs: this.context.now });
      refused.delete(remote.key);
      this.result.downloaded += 1;
    } catch (error) {
      // Removed since it was listed.
      if (isTheUsers(error) || (error instanceof S3Error && error.kind === 'missing')) return;
      if (!isTheObjects(error)) throw error;
      refused.add(remote.key, remote.etag, messageOf(error));
    }
  }

  private async remove(id: EntryId, known: Entry): Promise<void> {
    const { root, state } = this.context;
    const relative = pathOf(id);
    try {
      await inFolder(root, parentOf(relative), (folder) => {
        const target = path.join(folder, path.posix.basename(relative));
        if (isDirId(id)) rmdirSync(target);
        else removeUnchanged(target, path.join(folder, temporaryName()), known);
      });
    } catch (error) {
      if (!isTheUsers(error)) throw error;
      // The folder of a marker that is gone stays for what the user has in it.
      if (isDirId(id)) state.delete(id);
      return;
    }
    state.delete(id);
    this.result.removed += 1;
    await removeEmptied(root, parentOf(relative), this.view);
  }
}

/** The user did something there meanwhile, which the next cycle finds. */
function isTheUsers(error: unknown): boolean {
  if (error instanceof UnsafePathError || error instanceof ObstacleError) return true;
  return ['EEXIST', 'ENOENT', 'ENOTDIR', 'EISDIR', 'ENOTEMPTY', 'ELOOP'].includes(codeOf(error) ?? '');
}

/** It cannot become a file here. */
function isTheObjects(error: unknown): boolean {
  if (error instanceof S3Error) return error.kind === 'object';
  return (
    error instanceof KeyError || ['BERTH_BAD_LINK', 'ENAMETOOLONG', 'EINVAL'].includes(codeOf(error) ?? '')
  );
}
