import type { Clock } from '../../shared/clock.js';

/** Watch events get lost (and a folder may be missing): without one, waiters look this often. */
const POLL_MS = 250;

export interface ChangeSource {
  watch(onChange: (id: string) => void, signal: AbortSignal): void;
}

/** One watcher and one timer for all that wait; neither exists while nobody does. */
export class ChangeHub {
  private readonly wakers = new Map<string, Set<() => void>>();
  private stop: (() => void) | null = null;

  constructor(
    private readonly source: ChangeSource,
    private readonly clock: Clock,
  ) {}

  /**
   * Calls `wake` when the record may have changed, and from time to time.
   *
   * @returns a function that ends it
   */
  subscribe(id: string, wake: () => void): () => void {
    const wakers = this.wakers.get(id) ?? new Set();
    this.wakers.set(id, wakers.add(wake));
    this.stop ??= this.listen();
    return () => {
      wakers.delete(wake);
      if (wakers.size === 0 && this.wakers.get(id) === wakers) this.wakers.delete(id);
      if (this.wakers.size > 0) return;
      this.stop?.();
      this.stop = null;
    };
  }

  private listen(): () => void {
    const watching = new AbortController();
    try {
      this.source.watch((id) => this.wake(id), watching.signal);
    } catch {
      // No folder to watch yet: the timer alone has to do.
    }
    let cancel = () => {};
    const poll = () => {
      cancel = this.clock.after(POLL_MS, () => {
        poll();
        for (const id of [...this.wakers.keys()]) this.wake(id);
      });
    };
    poll();
    return () => {
      cancel();
      watching.abort();
    };
  }

  private wake(id: string): void {
    for (const wake of [...(this.wakers.get(id) ?? [])]) wake();
  }
}

export interface WaitOptions {
  seconds: number;
  /** Ends the wait early, as if the time were over. */
  signal: AbortSignal;
  clock: Clock;
}

/**
 * Waits until `check` finds something; it is asked at once and after every change of the record.
 *
 * @returns what `check` found, or null when the time is over or the signal was aborted
 */
export async function waitFor<T>(
  hub: ChangeHub,
  id: string,
  check: () => Promise<T | null>,
  { seconds, signal, clock }: WaitOptions,
): Promise<T | null> {
  let changed = false;
  let over = false;
  let resume = () => {};
  const wake = () => {
    changed = true;
    resume();
  };
  const end = () => {
    over = true;
    wake();
  };
  // Subscribed before the first look, so that no change falls in between.
  const unsubscribe = hub.subscribe(id, wake);
  const cancel = clock.after(seconds * 1000, end);
  signal.addEventListener('abort', end, { once: true });
  try {
    for (;;) {
      changed = false;
      const found = await check();
      if (found !== null) return found;
      if (over || signal.aborted) return null;
      if (!changed) await new Promise<void>((resolve) => (resume = resolve));
    }
  } finally {
    unsubscribe();
    cancel();
    signal.removeEventListener('abort', end);
  }
}
