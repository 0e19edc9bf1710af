import { mergeConditions } from '../../shared/model/condition.js';
import { PAUSED, type Desired } from '../../shared/model/desired.js';
import { yes } from './conditions.js';
import { specValid } from './declaration.js';
import { baseRecord } from './record.js';
import type { Plan, PlanInput } from './types.js';

const MESSAGE = `It is paused by an operator (annotation ${PAUSED}): nothing is done about it.`;

/** Leaves a workspace as it is, whatever its declaration says, and says so. */
export function planPaused(input: PlanInput, desired: Desired): Plan {
  const record = baseRecord(input, desired);
  const isNew = input.observed?.uid !== record.uid;
  const updates = [specValid(input.declaration), yes('Paused', 'PausedByOperator', MESSAGE)];
  const kept = record.conditions.filter(({ type }) => !updates.some((update) => update.type === type));
  const observed = {
    ...record,
    // What was never begun does not run.
    phase: isNew ? ('stopped' as const) : record.phase,
    message: MESSAGE,
    conditions: mergeConditions(record.conditions, [...updates, ...kept], input.now),
  };
  return { observed, actions: [], requeueAfterMs: null };
}
