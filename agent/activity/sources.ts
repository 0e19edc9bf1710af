import type { Signal } from '../../shared/model/idle.js';

/** Something besides changed files that can show that somebody works. */
export interface Source {
  readonly signal: Signal;
  /** @returns when it was last seen (ms since 1970), null while it was not */
  sample(now: number): Promise<number | null>;
}

/**
 * Turns a counter into a sign of work: it counts when it grows by at least so much a second.
 *
 * @param read - the counter; null where it cannot be read
 */
export class RateSource implements Source {
  private last: { value: number; at: number } | null = null;
  private seenAt: number | null = null;

  constructor(
    readonly signal: Signal,
    private readonly read: () => Promise<number | null>,
    private readonly perSecond: number,
  ) {}

  async sample(now: number): Promise<number | null> {
    const value = await this.read();
    const { last } = this;
    this.last = value === null ? null : { value, at: now };
    if (value === null || last === null || now <= last.at) return this.seenAt;
    const rate = ((value - last.value) * 1000) / (now - last.at);
    if (rate >= this.perSecond) this.seenAt = now;
    return this.seenAt;
  }
}
