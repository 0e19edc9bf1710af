/**
 * Runs a task again and again, never twice at once: the next one begins an interval after the last one
 * began, or at once when that one took longer. The interval is asked for after each run.
 */
export class Ticker {
  private stopped = true;
  private timer: NodeJS.Timeout | null = null;
  private running: Promise<void> | null = null;

  constructor(
    private readonly intervalMs: () => number,
    /** Must not reject for anything that may happen again. */
    private readonly task: () => Promise<void>,
  ) {}

  /** @param firstInMs - wait before the first run */
  start(firstInMs = 0): void {
    this.stopped = false;
    this.timer = setTimeout(() => this.run(), firstInMs);
  }

  /** No further run; waits for the present one. */
  async stop(): Promise<void> {
    this.stopped = true;
    if (this.timer) clearTimeout(this.timer);
    await this.running;
  }

  /** Runs it now, once the present run has ended; nothing when it is stopped. */
  async now(): Promise<void> {
    await this.running;
    if (this.stopped) return;
    if (this.timer) clearTimeout(this.timer);
    this.run();
    await this.running;
  }

  private run(): void {
    const began = performance.now();
    this.running = this.task().finally(() => {
      this.running = null;
      if (this.stopped) return;
      const wait = Math.max(0, this.intervalMs() - (performance.now() - began));
      this.timer = setTimeout(() => this.run(), wait);
    });
  }
}
