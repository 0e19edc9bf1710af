/** How much may be under way at once. */
export interface Limits {
  parallel: number;
  /** Bytes held in memory. */
  bytes: number;
}

const MIB = 1024 * 1024;
export const DEFAULT_LIMITS: Limits = { parallel: 32, bytes: 128 * MIB };

/** A first-come-first-served budget of bytes. */
class ByteBudget {
  private free: number;
  private readonly waiting: { cost: number; start: () => void }[] = [];

  constructor(private readonly total: number) {
    this.free = total;
  }

  async take(cost: number): Promise<() => void> {
    // Something larger than the whole budget runs alone instead of never.
    const charged = Math.min(cost, this.total);
    if (this.waiting.length > 0 || charged > this.free) {
      await new Promise<void>((resolve) => this.waiting.push({ cost: charged, start: resolve }));
    } else {
      this.free -= charged;
    }
    return () => this.give(charged);
  }

  private give(charged: number): void {
    this.free += charged;
    for (let next = this.waiting[0]; next && next.cost <= this.free; next = this.waiting[0]) {
      this.waiting.shift();
      this.free -= next.cost;
      next.start();
    }
  }
}

/**
 * Works through items with bounded parallelism and memory. The first error ends it once what is under
 * way has ended; items not begun by then are left alone.
 *
 * @param costOf - bytes of memory that an item takes while it is worked on
 */
export async function forEachLimited<T>(
  items: Iterable<T>,
  limits: Limits,
  costOf: (item: T) => number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const budget = new ByteBudget(limits.bytes);
  const iterator = items[Symbol.iterator]();
  let failed = false;
  let failure: unknown;
  const worker = async () => {
    while (!failed) {
      const next = iterator.next();
      if (next.done) return;
      const release = await budget.take(costOf(next.value));
      try {
        await work(next.value);
      } catch (error) {
        if (!failed) failure = error;
        failed = true;
      } finally {
        release();
      }
    }
  };
  await Promise.all(Array.from({ length: limits.parallel }, worker));
  if (failed) throw failure;
}
