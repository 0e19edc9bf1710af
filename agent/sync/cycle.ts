import { lstatSync } from 'node:fs';
import path from 'node:path';
import { KeyError, pathOf, type EntryId } from '../../shared/bucket/keys.js';
import { S3Error } from '../../shared/s3/s3-error.js';
import { UnstableError } from './content.js';
import type { SyncContext } from './context.js';
import { guardDeletes } from './delete-guard.js';
import { diff, isDamaged, type Diff } from './diff.js';
import type { Entry, WalkEntry } from './entry.js';
import { MULTIPART_THRESHOLD } from './etag.js';
import { byDepth, emptiedFolders, replacedBy, splitReplacing } from './folders.js';
import { forEachLimited } from './limits.js';
import { inOrder } from './order.js';
import { removeEntry } from './remove.js';
import { failureOf, type Outage } from './retry.js';
import { makingRoom, withoutMoved } from './room.js';
import { sameVolume } from './state.js';
import { fetchWanted, putEntry } from './upload.js';
import { walk, type Unnameable, type WalkResult } from './walk.js';

/** Cycles that a file may stay "being written to" before it is taken as it is. */
const PATIENCE = 3;
/** Memory of a large upload: parts under way and the copies that the client makes of them. */
const LARGE_COST = 128 * 1024 * 1024;

export interface Failure {
  path: string;
  code: string;
  message: string;
  /** Trying again does not help. */
  permanent: boolean;
}

/** What the engine remembers from one cycle to the next. */
export interface CycleMemory {
  /** How often a file was found changing while it was read. */
  unstable: Map<EntryId, number>;
  /** Deletions held back by the guard. */
  held: Set<EntryId>;
  /** Deletions that were seen already: one that cannot reach the bucket is no work that goes on. */
  deletes: Set<EntryId>;
  /** There is more than may be kept, and it was told. */
  tooLarge: boolean;
}

export interface CycleOptions {
  /** Whether deletions on the disk may reach the bucket. */
  deletes: boolean;
  /** The last sync of a run: nothing is put off, and a held-back mass deletion stays held back. */
  final: boolean;
  /** A restore has ended: what is shorter than it was, with its times, is what somebody wanted. */
  mended: boolean;
}

export interface CycleResult {
  /** Entries of the disk that are not in the bucket as they are. */
  pending: number;
  /** Bytes of the files among them. */
  pendingBytes: number;
  /** Deletions that have not reached the bucket. */
  pendingDeletes: number;
  failures: Failure[];
  /** Why the cycle could not do its work as a whole, if so. */
  error: Failure | null;
  /** Something was sent, taken over or removed. */
  changed: boolean;
  /** How long the look at the disk took. */
  lookMs: number;
  /** When the newest change found on the disk was made (ms since 1970), or null when there was none. */
  activityAtMs: number | null;
  /** Paths that the rules left out. */
  leftOut: readonly string[];
  /** Sockets, pipes and devices, which are not kept. */
  special: number;
  /** Names of hard links beyond the first of each file. */
  hardLinks: number;
}

/**
 * One look at the disk, and everything that is different brought to the bucket: ordinary files, git
 * objects, the rest of git, deletions last. Makes no request when nothing changed. Never throws for
 * what a server or a single file does; the result tells.
 *
 * @param outage - of the same requests as `context.request`
 */
export async function runCycle(
  context: SyncContext,
  memory: CycleMemory,
  options: CycleOptions,
  outage: Outage,
): Promise<CycleResult> {
  const begun = performance.now();
  context.rules.refresh?.();
  const seen = await walk(context.root, context.rules);
  const result = emptyResult(seen);
  const identity = context.state.identity;
  if (seen.root === null || identity === null || !sameVolume(seen.root, identity)) {
    const message = 'the workspace folder is missing or on another volume: nothing is synced';
    return { ...result, error: { path: '', code: 'WorkspaceGone', message, permanent: true } };
  }
  // Only the home has a bound; a workspace's quiet cycle is not to pay for it.
  if (context.maxBytes !== Infinity) {
    const largest = leaveOutLargest(seen, context.maxBytes);
    if (largest.length > 0 && !memory.tooLarge)
      context.log.warn('it holds more than is kept: its largest files are left out', {
        bytes: context.maxBytes,
        files: largest.slice(0, 20),
        count: largest.length,
      });
    memory.tooLarge = largest.length > 0;
  }
  const found = await diff(context.state.entries, seen, options.final ? Infinity : context.now());
  if (!options.mended) withholdDamaged(found, context.state.entries, result);
  result.lookMs = performance.now() - begun;
  result.activityAtMs = activityOf(found, memory.deletes, context.now());
  memory.deletes = new Set(found.deletes);
  const run = new CycleRun(context, memory, result, outage, [...seen.unnameable.values()]);
  await run.fetchWanted();
  const { inPlace, afterDeletes } = splitReplacing(
    [...found.puts, ...found.dirs, ...found.racy],
    found.deletes,
  );
  await run.puts(inPlace);
  await run.deletes(found.deletes, replacedBy(afterDeletes, found.deletes), options);
  await run.removeFolders(emptiedFolders(found.deletes, seen));
  await run.putsAfterDeletes(afterDeletes);
  run.forgetStable(found);
  const error = outage.error ?? outage.full;
  result.error = error && { path: '', ...failureOf(error) };
  return result;
}

/**
 * Where there is more than may be kept, the small files are: settings and history rather than what was downloaded.
 *
 * @returns paths of the others; what the bucket has of them stays
 */
function leaveOutLargest({ entries, leftOut }: WalkResult, maxBytes: number): string[] {
  let excess = bytesOf(entries.values()) - maxBytes;
  if (excess <= 0) return [];
  const largest: string[] = [];
  const files = [...entries.values()].filter(({ kind }) => kind === 'file').sort((a, b) => b.size - a.size);
  for (const { id, size } of files) {
    if (excess <= 0) break;
    entries.delete(id);
    largest.push(pathOf(id));
    leftOut.push(pathOf(id));
    excess -= size;
  }
  return largest;
}

function bytesOf(entries: Iterable<WalkEntry>): number {
  let bytes = 0;
  for (const { kind, size } of entries) if (kind === 'file') bytes += size;
  return bytes;
}

/** What the walk could not take in may be a file that the bucket lacks. */
function emptyResult(seen: WalkResult): CycleResult {
  const failures = [
    ...[...seen.unnameable.keys()].map((path) => ({
      path,
      code: 'BadName',
      message: 'the name is not valid UTF-8',
      permanent: true,
    })),
    ...[...seen.unreadable].map(([path, code]) => ({
      path,
      code,
      message: `it cannot be read: ${code}`,
      // Its path has more bytes than the system takes, and so than a key may have.
      permanent: code === 'ENAMETOOLONG',
    })),
  ];
  return {
    pending: failures.length,
    pendingBytes: 0,
    pendingDeletes: 0,
    failures,
    error: null,
    changed: false,
    lookMs: 0,
    activityAtMs: null,
    leftOut: seen.leftOut,
    special: seen.special,
    hardLinks: seen.hardLinks,
  };
}

/** What a power cut shortened must not replace the whole one in the bucket, which the next restore brings back. */
function withholdDamaged(found: Diff, state: ReadonlyMap<EntryId, Entry>, result: CycleResult): void {
  const isWhole = (entry: WalkEntry) => {
    const known = state.get(entry.id);
    return known === undefined || !isDamaged(known, entry);
  };
  for (const { id } of found.puts.filter((entry) => !isWhole(entry))) {
    const message = 'it is shorter than it was sent, as after a power cut; the next start brings it back';
    result.pending += 1;
    result.failures.push({ path: pathOf(id), code: 'Damaged', message, permanent: false });
  }
  found.puts = found.puts.filter(isWhole);
}

/** Racy entries look unchanged, so they are no activity until they turn out to be changed. */
function activityOf(found: Diff, seen: ReadonlySet<EntryId>, now: number): number | null {
  if (found.deletes.some((id) => !seen.has(id))) return now;
  let newest: number | null = null;
  for (const entry of [...found.puts, ...found.dirs]) {
    newest = Math.max(newest ?? 0, Math.min(now, Number(entry.ctimeNs / 1_000_000n)));
  }
  return newest;
}

/** @returns ms since 1970; 0 for what is gone */
function madeMsOf(file: string): number {
  try {
    return lstatSync(file).birthtimeMs;
  } catch {
    return 0;
  }
}

class CycleRun {
  /** What could not be sent. */
  private readonly waiting: WalkEntry[] = [];

  constructor(
    private readonly context: SyncContext,
    private readonly memory: CycleMemory,
    private readonly result: CycleResult,
    private readonly outage: Outage,
    /** What will never be sent under its name. */
    private readonly unnameable: readonly Unnameable[],
  ) {}

  async fetchWanted(): Promise<void> {
    for (const id of [...this.context.wanted.keys()]) {
      try {
        await fetchWanted(this.context, id);
        this.result.changed = true;
      } catch (error) {
        this.fail(id, error);
      }
    }
  }

  async puts(entries: WalkEntry[]): Promise<void> {
    const [ordinary, objects, git] = inOrder(entries);
    await this.putAll(ordinary);
    const pendingBefore = this.result.pending;
    await this.putAll(objects);
    if (this.result.pending === pendingBefore) await this.putAll(git);
    // References to objects that did not make it wait for them.
    else this.wait(git);
  }

  /** Files that take the name of a folder: servers refuse them while the folder has something in it. */
  async putsAfterDeletes(entries: WalkEntry[]): Promise<void> {
    if (this.result.pendingDeletes === 0) await this.putAll(entries);
    else this.wait(entries);
  }

  async removeFolders(folders: string[]): Promise<void> {
    if (this.result.pendingDeletes > 0) return;
    const { s3, keys, request } = this.context;
    for (const depth of byDepth(folders)) {
      await forEachLimited(
        depth,
        this.context.limits,
        () => 0,
        async (folder) => {
          try {
            await request(() => s3.removeFolder(keys.keyOf(folder)));
          } catch {
            // It holds nothing; a file that needs the name will tell.
          }
        },
      );
    }
  }

  forgetStable(found: Diff): void {
    const open = new Set([...found.puts, ...found.racy].map((entry) => entry.id));
    for (const id of this.memory.unstable.keys()) if (!open.has(id)) this.memory.unstable.delete(id);
  }

  async deletes(ids: readonly EntryId[], proven: ReadonlySet<EntryId>, options: CycleOptions): Promise<void> {
    // The other half of a rename that did not succeed: the old name is all the bucket has.
    const unsafe = this.result.failures.some((failure) => !failure.permanent) || this.outage.error !== null;
    if (!options.deletes || unsafe || ids.length === 0) {
      this.result.pendingDeletes += ids.length;
      return;
    }
    const { entries } = this.context.state;
    const unmoved = withoutMoved(ids, entries, this.inodesOfWaiting());
    const safe = this.outage.full ? makingRoom(unmoved, entries, this.waiting) : unmoved;
    this.result.pendingDeletes += ids.length - safe.length;
    const { allowed, held } = guardDeletes(safe, proven, entries.size, this.memory.held);
    if (!options.final) this.memory.held = held;
    if (held.size > 0) {
      this.result.pendingDeletes += held.size;
      this.context.log.warn('mass deletion held back until the next cycle confirms it', {
        held: held.size,
        known: entries.size,
      });
    }
    await forEachLimited(
      allowed,
      this.context.limits,
      () => 0,
      async (id) => {
        try {
          await removeEntry(this.context, id);
          this.result.changed = true;
          await this.context.saved();
        } catch (error) {
          this.result.pendingDeletes += 1;
          this.fail(id, error);
        }
      },
    );
  }

  private inodesOfWaiting(): Map<bigint, number> {
    const waits = new Map(this.unnameable.map(({ ino, madeMs }) => [ino, madeMs]));
    for (const { id, ino } of this.waiting) {
      waits.set(ino, madeMsOf(path.join(this.context.root, pathOf(id))));
    }
    return waits;
  }

  private putAll(entries: WalkEntry[]): Promise<void> {
    const { limits } = this.context;
    return forEachLimited(entries, limits, costOf, (entry) => this.put(entry));
  }

  private async put(entry: WalkEntry): Promise<void> {
    if (this.outage.error !== null || this.outage.full !== null) return this.wait([entry]);
    const { unstable } = this.memory;
    const before = unstable.get(entry.id) ?? 0;
    try {
      const outcome = await putEntry(this.context, entry, before >= PATIENCE);
      unstable.delete(entry.id);
      if (outcome !== 'unchanged') this.result.changed = true;
      await this.context.saved();
    } catch (error) {
      this.wait([entry]);
      if (error instanceof UnstableError) unstable.set(entry.id, before + 1);
      else this.fail(entry.id, error);
    }
  }

  /** These are not in the bucket as they are on the disk. */
  private wait(entries: readonly WalkEntry[]): void {
    for (const entry of entries) this.waiting.push(entry);
    this.result.pending += entries.length;
    this.result.pendingBytes += bytesOf(entries);
  }

  private fail(id: EntryId, error: unknown): void {
    // One failure that speaks for all is told once, as the cycle's error.
    if (error === this.outage.error || (error instanceof S3Error && error.kind === 'full')) return;
    const failure =
      error instanceof KeyError
        ? { code: 'BadName', message: error.message, permanent: true }
        : failureOf(error);
    this.result.failures.push({ path: pathOf(id), ...failure });
  }
}

const costOf = (entry: WalkEntry) =>
  entry.size > MULTIPART_THRESHOLD ? LARGE_COST : entry.kind === 'file' ? entry.size : 0;
