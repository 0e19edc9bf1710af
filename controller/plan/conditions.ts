import type { ConditionType, ConditionUpdate } from '../../shared/model/condition.js';

/** Shorthands that keep the rules readable. */
export const yes = (type: ConditionType, reason: string, message: string): ConditionUpdate => ({
  type,
  status: 'True',
  reason,
  message,
});

export const no = (type: ConditionType, reason: string, message: string): ConditionUpdate => ({
  type,
  status: 'False',
  reason,
  message,
});
