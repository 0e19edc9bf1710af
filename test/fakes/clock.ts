import type { Clock } from '../../shared/clock.js';

interface Timer {
  at: number;
  task: () => void;
}

/** A clock that a test moves; nothing happens between two moves. */
export class FakeClock implements Clock {
  private time: number;
  private timers: Timer[] = [];
  private setBy = 0;

  constructor(start = '2026-01-01T00:00:00.000Z') {
    this.time = Date.parse(start);
  }

  now(): Date {
    return new Date(this.time + this.setBy);
  }

  elapsedMs(): number {
    return this.time;
  }

  /** Sets the time of the day on (or back) by `ms`, as a host's administrator may; no time passes. */
  set(ms: number): void {
    this.setBy += ms;
  }

  after(ms: number, task: () => void): () => void {
    const timer = { at: this.time + ms, task };
    this.timers.push(timer);
    return () => {
      this.timers = this.timers.filter((other) => other !== timer);
    };
  }

  /** How many timers wait. */
  get pending(): number {
    return this.timers.length;
  }

  /** Moves on by `ms` and runs what is due, in order of time; promises settle in between. */
  async advance(ms: number): Promise<void> {
    const end = this.time + ms;
    for (;;) {
      await settle();
      const due = this.timers.filter((timer) => timer.at <= end).sort((a, b) => a.at - b.at)[0];
      if (due === undefined) break;
      this.timers = this.timers.filter((timer) => timer !== due);
      this.time = Math.max(this.time, due.at);
      due.task();
    }
    this.time = end;
    await settle();
  }
}

/** Lets everything that waits only for promises go on. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await new Promise<void>((resolve) => setImmediate(resolve));
}
