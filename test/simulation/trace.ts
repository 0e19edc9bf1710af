import { createHash } from 'node:crypto';
import type { SimClock } from './clock.js';

/** What happened in a simulated world, for people who look for a bug. */
export class Trace {
  readonly lines: string[] = [];
  private readonly start: number;

  constructor(private readonly clock: SimClock) {
    this.start = clock.ms;
  }

  note(text: string): void {
    this.lines.push(`${stamp(this.clock.ms - this.start)} ${text}`);
  }

  /** Two runs with the same one did the same. */
  get hash(): string {
    return createHash('sha256').update(this.lines.join('\n')).digest('hex').slice(0, 16);
  }
}

/** Hours, minutes, seconds and milliseconds since the beginning. */
export function stamp(ms: number): string {
  const two = (value: number) => String(Math.floor(value)).padStart(2, '0');
  return `${two(ms / 3_600_000)}:${two((ms / 60_000) % 60)}:${two((ms / 1000) % 60)}.${String(Math.floor(ms % 1000)).padStart(3, '0')}`;
}
