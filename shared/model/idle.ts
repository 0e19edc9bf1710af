import * as z from 'zod';
import { durationMs, durationSchema } from './duration.js';

/** What can show that somebody works (docs/idle.md). `files` is R5.2; the others count only where they are chosen. */
export const SIGNALS = ['files', 'terminal', 'cpu', 'traffic'] as const;
export type Signal = (typeof SIGNALS)[number];

export const signalsSchema = z.array(z.enum(SIGNALS)).min(1, 'names at least one signal').max(SIGNALS.length);

/** `off`, or after how long without activity a workspace is stopped. */
export const idleSchema = z.union(
  [z.literal('off'), durationSchema],
  'must be "off" or a duration, such as "10m"',
);

/** When a signal was last seen. */
export const activitySchema = z.object({ signal: z.enum(SIGNALS), lastAt: z.iso.datetime() });
export type Activity = z.infer<typeof activitySchema>;

/** What holds where a declaration is silent. */
export interface IdleDefaults {
  idle: string;
  signals: readonly Signal[];
}

/** The part of a declaration that is about being idle. */
export interface IdleSpec {
  idle?: string | undefined;
  activity?: readonly Signal[] | undefined;
  extendedUntil?: string | undefined;
}

export const idleRulesSchema = z.object({
  /** Milliseconds without activity; null: it is never stopped for that. */
  timeoutMs: z.number().positive().nullable(),
  signals: signalsSchema,
  /** It is not stopped for inactivity before this time. */
  extendedUntil: z.iso.datetime().nullable(),
  /** The clock starts here; null while it does not run yet. */
  runningSince: z.iso.datetime().nullable(),
});

/** All that decides, together with the activity, when a workspace is idle. */
export type IdleRules = z.infer<typeof idleRulesSchema>;

export function idleRulesOf(spec: IdleSpec, runningSince: string | null, defaults: IdleDefaults): IdleRules {
  const idle = spec.idle ?? defaults.idle;
  return {
    timeoutMs: idle === 'off' ? null : durationMs(idle),
    signals: [...(spec.activity ?? defaults.signals)],
    extendedUntil: spec.extendedUntil ?? null,
    runningSince,
  };
}

/** The last sign of work among the signals that count, or the start; ms since 1970, null before the start. */
export function idleSince(rules: IdleRules, activity: readonly Activity[]): number | null {
  if (rules.runningSince === null) return null;
  const counted = activity.filter(({ signal }) => rules.signals.includes(signal));
  return Math.max(Date.parse(rules.runningSince), ...counted.map(({ lastAt }) => Date.parse(lastAt)));
}

/** When a workspace is to be stopped if nothing happens until then; ms since 1970, null: never. */
export function idleDeadline(rules: IdleRules, activity: readonly Activity[]): number | null {
  const since = idleSince(rules, activity);
  if (since === null || rules.timeoutMs === null) return null;
  return Math.max(
    since + rules.timeoutMs,
    rules.extendedUntil === null ? 0 : Date.parse(rules.extendedUntil),
  );
}

/** What a report says about work. */
interface Word {
  state: string;
  activity: readonly Activity[];
}

/**
 * Whether somebody has worked since a stop for inactivity was declared. Only the word of an agent that
 * is not stopping yet counts: what the end itself writes is no work.
 */
export function isTakenBack(
  spec: IdleSpec & { state: string; stopReason?: string | undefined; idleSince?: string | undefined },
  word: Word,
  defaults: IdleDefaults,
): boolean {
  if (spec.state !== 'stopped' || spec.stopReason !== 'Inactivity' || spec.idleSince === undefined)
    return false;
  const since = idleSince(idleRulesOf(spec, spec.idleSince, defaults), word.activity);
  return word.state === 'ready' && since !== null && since > Date.parse(spec.idleSince);
}

const WARNING_MS = 120_000;

/** How long before its stop an idle workspace is warned. */
export const warningMs = (timeoutMs: number): number => Math.min(WARNING_MS, timeoutMs / 4);
