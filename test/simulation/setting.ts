import type { ConditionsFinding } from '../../controller/ports/write-conditions.js';
import type { Random } from './random.js';

/** How many hints of changes arrive. */
export type Hints = 'all' | 'some' | 'none';

/** How long a start or a stop may take until the controller speaks of it. */
export const DEADLINE_MS = 120_000;

/** What stays as it is all day. The controller looks less often than in truth, so that a day is short. */
export interface Setting {
  /** Nothing is looked at again sooner, but for what is to be done at once. */
  grainMs: number;
  resyncMs: number;
  idleSweepMs: number;
  parallelStarts: number;
  healthIntervalMs: number;
  archiveAfterMs: number;
  /** While nothing ails. */
  hints: Hints;
  /** Whether the S3 server keeps several writers apart. */
  conditions: ConditionsFinding;
}

export const settingOf = (random: Random): Setting => ({
  grainMs: random.pick([500, 1000, 2000]),
  resyncMs: random.pick([300_000, 600_000, 1_200_000]),
  idleSweepMs: random.pick([60_000, 120_000, 300_000]),
  parallelStarts: random.pick([1, 2, 8]),
  healthIntervalMs: random.pick([120_000, 600_000]),
  archiveAfterMs: random.pick([7_200_000, 86_400_000]),
  hints: random.pick<Hints>(['all', 'all', 'some', 'none']),
  conditions: random.pick<ConditionsFinding>([
    { kind: 'kept' },
    { kind: 'missing', conditions: ['If-None-Match'] },
  ]),
});
