import PQueue from 'p-queue';
import { backoffMs, type BackoffOptions } from '../../shared/backoff.js';
import type { Clock } from '../../shared/clock.js';
import { TerminalError } from '../../shared/errors.js';

/** What a reconcile says when it did not fail. */
export type Result = { kind: 'done' } | { kind: 'requeueAfter'; ms: number };

export interface WorkQueueOptions {
  clock: Clock;
  /** Keys worked on at the same time; one key never twice. */
  concurrency: number;
  backoff: BackoffOptions;
  random?: () => number;
  /** Told of every failure; the queue itself tries again, except after a TerminalError. */
  onError: (key: string, error: unknown, failures: number) => void;
}

interface Delayed {
  /** On the clock that nobody sets: a time of the day that jumped would have an earlier wish look later. */
  at: number;
  cancel: () => void;
}

/** Timers cannot wait for months; a look too many costs nothing. */
const LONGEST_WAIT_MS = 86_400_000;

/**
 * A work queue of keys, after Kubernetes' client-go: a key that waits is not queued twice (`dirty`), a
 * key being worked on (`processing`) is queued again afterwards if it was added meanwhile, and a failed
 * key comes back after a growing wait.
 */
export class WorkQueue {
  private readonly pool: PQueue;
  private readonly dirty = new Set<string>();
  private readonly processing = new Set<string>();
  private readonly delayed = new Map<string, Delayed>();
  private readonly failures = new Map<string, number>();
  private stopped = false;

  constructor(
    private readonly work: (key: string) => Promise<Result>,
    private readonly options: WorkQueueOptions,
  ) {
    this.pool = new PQueue({ concurrency: options.concurrency });
  }

  /** Keys that wait for a worker now; those that wait for a time are not counted. */
  get depth(): number {
    return this.dirty.size;
  }

  /** Wants the key looked at as soon as possible. */
  add(key: string): void {
    if (this.stopped || this.dirty.has(key)) return;
    this.dirty.add(key);
    // Its worker finds the mark when it is done.
    if (!this.processing.has(key)) this.dispatch(key);
  }

  /** Wants the key looked at in `ms` milliseconds; of several such wishes the earliest holds. */
  addAfter(key: string, ms: number): void {
    if (this.stopped) return;
    if (ms <= 0) {
      this.add(key);
      return;
    }
    const wait = Math.min(ms, LONGEST_WAIT_MS);
    const at = this.options.clock.elapsedMs() + wait;
    const waiting = this.delayed.get(key);
    if (waiting !== undefined && waiting.at <= at) return;
    waiting?.cancel();
    const cancel = this.options.clock.after(wait, () => {
      this.delayed.delete(key);
      this.add(key);
    });
    this.delayed.set(key, { at, cancel });
  }

  /** Takes no new work and resolves when the work under way is done. */
  async stop(): Promise<void> {
    this.stopped = true;
    for (const { cancel } of this.delayed.values()) cancel();
    this.delayed.clear();
    this.pool.clear();
    await this.pool.onIdle();
  }

  private dispatch(key: string): void {
    void this.pool.add(() => this.process(key));
  }

  private async process(key: string): Promise<void> {
    this.dirty.delete(key);
    this.processing.add(key);
    try {
      const result = await this.work(key);
      this.failures.delete(key);
      if (result.kind === 'requeueAfter') this.addAfter(key, result.ms);
    } catch (error) {
      this.fail(key, error);
    } finally {
      this.processing.delete(key);
      if (this.dirty.has(key) && !this.stopped) this.dispatch(key);
    }
  }

  private fail(key: string, error: unknown): void {
    const failures = (this.failures.get(key) ?? 0) + 1;
    this.options.onError(key, error, failures);
    if (error instanceof TerminalError) {
      this.failures.delete(key);
      return;
    }
    this.failures.set(key, failures);
    this.addAfter(key, backoffMs(failures, this.options.backoff, this.options.random));
  }
}
