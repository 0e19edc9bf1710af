import { setMaxListeners } from 'node:events';
import { mkdirSync, realpathSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { InvalidRecordError } from '../../shared/errors.js';
import type { Logger } from '../../shared/logger.js';
import type { AgentReport, FinalSync } from '../../shared/model/report.js';
import { Keyspace } from '../../shared/bucket/keys.js';
import { fullJitterMs, retrying, type RetryPolicy } from '../../shared/s3/retry.js';
import { doubt, type SyncContext } from './context.js';
import { runCycle, type CycleMemory, type CycleResult, type Failure } from './cycle.js';
import { errorOf, isDone, isHopeless } from './cycle-result.js';
import { DEFAULT_LIMITS } from './limits.js';
import type { S3Port } from '../../shared/s3/s3-port.js';
import type { EntryId } from '../../shared/bucket/keys.js';
import { pull } from './pull.js';
import { compareWithBucket, writeReceipt, type Run } from './receipt.js';
import { RefusedObjects } from './refused.js';
import { restore } from './restore.js';
import { CYCLE_RETRY, failureOf, FINAL_RETRY, Outage, RESTORE_RETRY } from './retry.js';
import { WorkspaceRules, type Rules } from './rules.js';
import type { Owner } from './safe-path.js';
import { LocalState, StateFile } from './state.js';
import { StateSaver } from './state-saver.js';

export interface EngineSettings {
  /** The folder whose content is the bucket's. */
  workspaceDir: string;
  /** Where the state is kept; never inside the workspace. */
  stateDir: string;
  /** Folder in the bucket; '' for all of it. */
  prefix: string;
  /** Owner of everything in the workspace. */
  owner: Owner;
  createBucket: boolean;
  /** What is not synced; by default what a workspace's own file says. */
  rules?: Rules;
  /** Of two versions of a file the later one replaces the other, instead of both being kept. */
  lastWriterWins?: boolean;
  /** Of more bytes the largest files are left out. */
  maxBytes?: number;
  retry?: RetryPolicy;
  restoreRetry?: RetryPolicy;
  finalRetry?: RetryPolicy;
  /** Whose end the last sync confirms by a receipt; without it none is written. */
  run?: Run;
}

export interface FinalOutcome {
  finalSync: FinalSync;
  /** 0: everything is in the bucket; 75: trying again may help; 76: a person must act. */
  exitCode: 0 | 75 | 76;
}

/** Of long lists a report names some. */
const MAX_EXAMPLES = 10;
const MAX_EXAMPLE_LENGTH = 200;

/** Keeps one folder and one prefix of a bucket the same. One job at a time; the caller sees to that. */
export class SyncEngine {
  private readonly context: SyncContext;
  private readonly memory: CycleMemory = {
    unstable: new Map(),
    held: new Set(),
    deletes: new Set(),
    tooLarge: false,
  };
  private lastSyncAt: number | null = null;
  private lastActivityAt: number | null = null;
  private last: CycleResult | null = null;
  private retryMessage: string | null = null;
  /** What was sent again since the bucket had another version of ours. */
  private readonly renewed = new Set<EntryId>();
  /** What a power cut shortened was brought back, in this run. */
  private mended = false;
  /** Why others' changes could not be brought. */
  private pullFailure: Failure | null = null;

  private constructor(
    private readonly settings: EngineSettings,
    private readonly saver: StateSaver,
    context: Omit<SyncContext, 'request'>,
  ) {
    this.context = { ...context, request: (send) => send() };
  }

  /** Opens the folder and what is known of it. Makes no request. */
  static async open(
    settings: EngineSettings,
    s3: S3Port,
    log: Logger,
    now: () => number = Date.now,
  ): Promise<SyncEngine> {
    mkdirSync(settings.workspaceDir, { recursive: true });
    const file = new StateFile(settings.stateDir);
    const state = (await load(file, log)) ?? LocalState.fresh();
    const root = realpathSync(settings.workspaceDir);
    const saver = new StateSaver(file, state, log, now);
    return new SyncEngine(settings, saver, {
      s3,
      keys: new Keyspace(settings.prefix),
      root,
      lastWriterWins: settings.lastWriterWins ?? false,
      maxBytes: settings.maxBytes ?? Infinity,
      rules: settings.rules ?? new WorkspaceRules(root),
      owner: settings.owner,
      state,
      log,
      now,
      limits: DEFAULT_LIMITS,
      counters: { uploaded: 0, downloaded: 0, deleted: 0, conflicts: 0 },
      wanted: new Map(),
      doubted: new Set(),
      saved: saver.tick,
      refused: new RefusedObjects(),
    });
  }

  /** The sync part of a report. */
  status(): AgentReport['sync'] {
    const { counters, state } = this.context;
    const leftOut = this.last?.leftOut ?? [];
    const refused = this.context.refused.keys;
    return {
      lastSyncAt: isoOrNull(this.lastSyncAt),
      pendingFiles: this.last?.pending ?? 0,
      pendingBytes: this.last?.pendingBytes ?? 0,
      ...state.totals(),
      uploaded: counters.uploaded,
      downloaded: counters.downloaded,
      deleted: counters.deleted,
      failed: this.last?.failures.length ?? 0,
      conflicts: counters.conflicts,
      special: this.last?.special ?? 0,
      hardLinks: this.last?.hardLinks ?? 0,
      leftOut: { count: leftOut.length, examples: examplesOf(leftOut) },
      refused: { count: refused.length, examples: examplesOf(refused) },
      error: this.retryMessage ?? (this.last && errorOf(this.last)) ?? this.pullFailure?.message ?? null,
    };
  }

  /** Whether the bucket's content was brought to this disk once, in this run or an earlier one. */
  get restored(): boolean {
    return this.context.state.complete;
  }

  /** How long the last look at the disk took; it grows with the number of files, not with what changed. */
  get lookMs(): number {
    return this.last?.lookMs ?? 0;
  }

  /** Last change of a file in the workspace, ISO. */
  get activityAt(): string | null {
    return isoOrNull(this.lastActivityAt);
  }

  /**
   * Brings the bucket's content to the disk; transient failures are retried until the signal.
   *
   * @param onTrouble - told when the server does not answer as it should, and why
   * @throws S3Error of kind `bucket`, a disk error, or the signal's reason
   */
  async restore(signal: AbortSignal, onTrouble: (message: string) => void): Promise<void> {
    // One listener a request under way is no leak.
    setMaxListeners(0, signal);
    const onRetry = (error: Error) => {
      this.retryMessage = error.message;
      onTrouble(error.message);
    };
    const context: SyncContext = {
      ...this.context,
      request: (send) => retrying(this.settings.restoreRetry ?? RESTORE_RETRY, send, { signal, onRetry }),
    };
    try {
      await restore(context, {
        createBucket: this.settings.createBucket,
        signal,
      });
      this.mended = true;
      this.lastSyncAt = this.context.now();
    } finally {
      this.retryMessage = null;
      await this.saver.flush();
    }
  }

  /**
   * One cycle.
   *
   * @returns whether it is worth a report: something changed, or how it fails
   */
  async cycle(): Promise<boolean> {
    const before = this.trouble();
    const result = await this.run({ deletes: true, final: false });
    this.tellChange(before, result);
    return result.changed || before !== this.trouble();
  }

  /**
   * Brings the changes of others to the disk; those that nobody made here as well.
   *
   * @returns whether it is worth a report: something changed, or how it fails
   */
  async pull(): Promise<{ succeeded: boolean; changed: boolean }> {
    if (!this.context.state.complete) return { succeeded: false, changed: false };
    const before = this.pullFailure;
    const context = this.guardedBy(new Outage());
    try {
      const { downloaded, removed } = await pull(context);
      this.pullFailure = null;
      if (downloaded + removed > 0) this.context.log.info('changes of others', { downloaded, removed });
      return { succeeded: true, changed: downloaded + removed > 0 || before !== null };
    } catch (error) {
      this.pullFailure = { path: '', ...failureOf(error) };
      const changed = before?.code !== this.pullFailure.code;
      if (changed)
        this.context.log.warn('changes of others could not be brought', { error: this.pullFailure.message });
      return { succeeded: false, changed };
    } finally {
      await this.saver.flush();
    }
  }

  /**
   * Brings everything on the disk to the bucket, again and again until it is there, it is told to give up,
   * or only a person could help. Nothing else may write to the workspace by now.
   *
   * A restore that was broken off makes no difference: what is known to have been here and is not any more
   * was deleted by the user of an earlier run.
   *
   * @param giveUp - no clock of the day decides: one that is set meanwhile would end it early, or never
   */
  async final(giveUp: AbortSignal): Promise<FinalOutcome> {
    return this.finish(giveUp, true);
  }

  private async finish(signal: AbortSignal, deletes: boolean): Promise<FinalOutcome> {
    const { baseMs, maxMs } = this.settings.finalRetry ?? FINAL_RETRY;
    setMaxListeners(0, signal);
    for (let tries = 1; ; tries++) {
      const before = this.trouble();
      const result = await this.run({ deletes, final: true }, signal);
      this.tellChange(before, result);
      if (isDone(result)) {
        const confirmed = await this.confirm(signal);
        if (confirmed.kind === 'confirmed') return this.outcome(result, 0, confirmed.receipt);
        if (confirmed.kind === 'failed') {
          this.last = { ...result, error: confirmed.error };
          if (confirmed.error.permanent) return this.outcome(this.last, 76);
        }
        // What was sent or removed may have made room for the rest.
      } else if (isHopeless(result) && !result.changed) return this.outcome(result, 76);
      const wait = Math.max(baseMs / 10, fullJitterMs(tries, baseMs, maxMs));
      await pause(wait, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return this.outcome(result, 75);
    }
  }

  /**
   * Whether there is nothing on the disk that the bucket lacks, as far as can be told without the server.
   *
   * @returns what the last sync would say; null when there is something, or it cannot be told
   */
  async nothingToSave(): Promise<FinalSync | null> {
    const { finalSync } = await this.finish(AbortSignal.abort(), false);
    return finalSync.ok ? finalSync : null;
  }

  /** Has the server itself say that all is there, and leaves a receipt of it in the bucket. */
  private async confirm(signal: AbortSignal): Promise<Confirmation> {
    const { run } = this.settings;
    const { state, log } = this.context;
    // Nothing was ever here, perhaps not even a bucket.
    if (run === undefined || (state.entries.size === 0 && !state.complete)) return { kind: 'confirmed' };
    const policy = this.settings.retry ?? CYCLE_RETRY;
    const context: SyncContext = { ...this.context, request: (send) => retrying(policy, send, { signal }) };
    try {
      const { missing, older, listed } = await compareWithBucket(context);
      // Once: a server may list other ETags than it answers with.
      const again = missing.concat(older.filter((id) => !this.renewed.has(id)));
      if (again.length === 0) {
        const { manifest } = await writeReceipt(context, run, listed);
        return { kind: 'confirmed', receipt: manifest };
      }
      log.warn('files are missing in the bucket, or older there, and are sent again', {
        files: again.slice(0, 20),
        count: again.length,
      });
      for (const id of missing) state.delete(id);
      for (const id of older) {
        if (!this.renewed.has(id)) doubt(context, id);
        this.renewed.add(id);
      }
      return { kind: 'missing' };
    } catch (error) {
      return { kind: 'failed', error: { path: '', ...failureOf(error) } };
    }
  }

  private async run(
    options: { deletes: boolean; final: boolean },
    signal?: AbortSignal,
  ): Promise<CycleResult> {
    const outage = new Outage();
    const context = this.guardedBy(outage, signal);
    // Deletes of a state that never described the whole bucket are no deletes.
    const deletes = options.deletes && context.state.complete;
    const result = await runCycle(context, this.memory, { ...options, deletes, mended: this.mended }, outage);
    await this.saver.flush();
    this.last = result;
    if (errorOf(result) === null) this.lastSyncAt = this.context.now();
    this.lastActivityAt = later(this.lastActivityAt, result.activityAtMs);
    return result;
  }

  private guardedBy(outage: Outage, signal?: AbortSignal): SyncContext {
    const policy = this.settings.retry ?? CYCLE_RETRY;
    return { ...this.context, request: (send) => retrying(policy, () => outage.guard(send), { signal }) };
  }

  /** A server that is away all night is worth two lines of log, not two thousand. */
  private tellChange(before: string, result: CycleResult): void {
    const now = this.trouble();
    if (now === before) return;
    const { log } = this.context;
    if (now === '') log.info('sync works again');
    else
      log.warn('sync failed, work goes on', {
        error: errorOf(result),
        pending: result.pending,
        failed: result.failures.slice(0, 20),
      });
  }

  /** What kind of trouble there is; the same for the same kind, whichever files it hits. */
  private trouble(): string {
    if (this.last === null) return '';
    const failures = this.last.error ? [this.last.error] : this.last.failures;
    const kinds = failures.map(({ code, permanent, path }) => (permanent ? `${code} ${path}` : code));
    return [...new Set(kinds)].sort().join(',');
  }

  private outcome(result: CycleResult, exitCode: 0 | 75 | 76, receipt?: string): FinalOutcome {
    const notes = [errorOf(result)];
    if (exitCode !== 0) notes.push(`${result.pending} files are not in the bucket`);
    if (result.pendingDeletes > 0) notes.push(`${result.pendingDeletes} deletions did not reach the bucket`);
    const message = notes.filter((note) => note !== null).join('; ');
    return {
      exitCode,
      finalSync: {
        ok: exitCode === 0,
        at: new Date(this.context.now()).toISOString(),
        ...this.context.state.totals(),
        failed: result.pending,
        ...(receipt === undefined ? {} : { receipt }),
        ...(message === '' ? {} : { message: message.slice(0, 2000) }),
      },
    };
  }
}

type Confirmation =
  | { kind: 'confirmed'; receipt?: string }
  /** To be sent again. */
  | { kind: 'missing' }
  | { kind: 'failed'; error: Failure };

async function load(file: StateFile, log: Logger): Promise<LocalState | null> {
  try {
    return await file.load();
  } catch (error) {
    if (!(error instanceof InvalidRecordError)) throw error;
    // Without it every file is compared by content, which is slow but safe.
    log.error('sync state cannot be read and was set aside', {
      reason: error.reason,
      file: await file.setAside(),
    });
    return null;
  }
}

const examplesOf = (paths: readonly string[]) =>
  paths.slice(0, MAX_EXAMPLES).map((name) => name.slice(0, MAX_EXAMPLE_LENGTH));

const isoOrNull = (ms: number | null) => (ms === null ? null : new Date(ms).toISOString());

const later = (a: number | null, b: number | null) => (a === null || b === null ? (a ?? b) : Math.max(a, b));
