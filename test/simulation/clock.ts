import type { Clock } from '../../shared/clock.js';

interface Timer {
  at: number;
  /** Timers of the same moment go off in the order in which they were set. */
  order: number;
  task: (() => void) | null;
}

const before = (a: Timer, b: Timer) => a.at < b.at || (a.at === b.at && a.order < b.order);

/** A clock on which a day passes in the time that its timers take; it only moves forward. */
export class SimClock implements Clock {
  private readonly heap: Timer[] = [];
  private order = 0;

  constructor(private time: number) {}

  get ms(): number {
    return this.time;
  }

  now(): Date {
    return new Date(this.time);
  }

  elapsedMs(): number {
    return this.time;
  }

  after(ms: number, task: () => void): () => void {
    const timer: Timer = { at: this.time + Math.max(0, ms), order: this.order++, task };
    this.push(timer);
    return () => {
      timer.task = null;
    };
  }

  /** Runs what is due until `end`; everything that waits for promises only goes on in between. */
  async runUntil(end: number, goOn: () => boolean): Promise<void> {
    // Only what was begun by a promise waits for all others.
    await Promise.resolve();
    await settled();
    while (goOn()) {
      const timer = this.heap[0];
      if (timer === undefined || timer.at > end) {
        this.time = end;
        return;
      }
      this.pop();
      if (timer.task === null) continue;
      this.time = timer.at;
      timer.task();
      await settled();
    }
  }

  private push(timer: Timer): void {
    const { heap } = this;
    let index = heap.push(timer) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!before(timer, heap[parent] as Timer)) break;
      heap[index] = heap[parent] as Timer;
      index = parent;
    }
    heap[index] = timer;
  }

  private pop(): void {
    const { heap } = this;
    const last = heap.pop() as Timer;
    if (heap.length === 0) return;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1] as Timer, heap[child] as Timer)) child++;
      if (!before(heap[child] as Timer, last)) break;
      heap[index] = heap[child] as Timer;
      index = child;
    }
    heap[index] = last;
  }
}

/** Ticks run only when no promise is left to be settled, and nothing here waits for anything but promises. */
const settled = () => new Promise<void>((resolve) => process.nextTick(resolve));
