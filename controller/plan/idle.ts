import type { ConditionUpdate } from '../../shared/model/condition.js';
import type { Desired } from '../../shared/model/desired.js';
import { durationMs, inWords } from '../../shared/model/duration.js';
import { idleDeadline, idleRulesOf, isTakenBack, warningMs } from '../../shared/model/idle.js';
import { wantedToRun } from '../../shared/model/desired.js';
import type { StoredReport } from '../../shared/model/report.js';
import { no, yes } from './conditions.js';
import type { PlanInput, Policy } from './types.js';

/**
 * The same input, but for a stop for inactivity that fresh activity speaks against: then the workspace
 * is wanted to run, whether or not the API has written that down already.
 */
export function withoutOvertakenStop(input: PlanInput): PlanInput {
  const { declaration, report, observed, policy, world } = input;
  // The service knows its run also where the record was lost.
  const runId = world.service?.runId ?? observed?.runId;
  if (declaration.kind !== 'valid' || report === null || report.runId !== runId) return input;
  if (!isTakenBack(declaration.desired.spec, report, policy.idle)) return input;
  return { ...input, declaration: { kind: 'valid', desired: wantedToRun(declaration.desired) } };
}

/** What is known of the work in a running workspace, and in how many ms that is to be looked at again. */
export function judgeActivity(
  { policy, now }: Pick<PlanInput, 'policy' | 'now'>,
  desired: Desired,
  startedAt: string,
  report: StoredReport | null,
): { condition: ConditionUpdate; wakeInMs: number | null } {
  const rules = idleRulesOf(desired.spec, startedAt, policy.idle);
  const deadline = idleDeadline(rules, report?.activity ?? []);
  if (rules.timeoutMs === null || deadline === null)
    return {
      condition: yes('Active', 'IdleStopOff', 'It is not stopped for inactivity.'),
      wakeInMs: null,
    };
  const warnInMs = deadline - warningMs(rules.timeoutMs) - now.getTime();
  if (warnInMs > 0)
    return {
      condition: yes(
        'Active',
        'InUse',
        `It is stopped when nobody works in it for ${inWords(rules.timeoutMs)}.`,
      ),
      wakeInMs: warnInMs,
    };
  const at = new Date(deadline).toISOString();
  return {
    condition: no('Active', 'IdleSoon', `Nobody works in it: it is stopped at ${at} unless that changes.`),
    wakeInMs: null,
  };
}

/** In how many ms a workspace has run for as long as it may; null when there is no such limit. */
export function ageLeftMs(
  desired: Desired,
  startedAt: string | null,
  policy: Policy,
  now: Date,
): number | null {
  const maxAge = desired.spec.maxAge ?? policy.maxAge;
  if (maxAge === undefined || startedAt === null) return null;
  return Date.parse(startedAt) + durationMs(maxAge) - now.getTime();
}
