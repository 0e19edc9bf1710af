/** Everything finer than a phase is a condition, named like Kubernetes' (design: docs/state-machines.md). */
export const CONDITION_TYPES = [
  'SpecValid',
  'Paused',
  'Admitted',
  'NetworkReady',
  'ServiceCreated',
  'TaskRunning',
  'GatewayAttached',
  'FilesRestored',
  'RoutesReady',
  'Healthy',
  'WithinMemory',
  'WithinDisk',
  'Active',
  'FinalSyncVerified',
  'Progressing',
] as const;

export type ConditionType = (typeof CONDITION_TYPES)[number];

export interface Condition {
  type: ConditionType;
  status: 'True' | 'False' | 'Unknown';
  /** One CamelCase word for programs. */
  reason: string;
  /** A sentence for people. */
  message: string;
  /** ISO time of the last change of `status`. */
  lastTransitionTime: string;
}

/** What a decision says about a condition; the time is added when it is merged with the last one. */
export type ConditionUpdate = Omit<Condition, 'lastTransitionTime'>;

/**
 * Merges new findings into the last known conditions. The transition time moves only when the status
 * does, so that "since when" can be read off it. Conditions that are not mentioned are dropped: they
 * belong to an earlier stage of life.
 */
export function mergeConditions(
  last: readonly Condition[],
  updates: readonly ConditionUpdate[],
  now: Date,
): Condition[] {
  return updates.map((update) => {
    const before = last.find((condition) => condition.type === update.type);
    const unchanged = before?.status === update.status;
    return { ...update, lastTransitionTime: unchanged ? before.lastTransitionTime : now.toISOString() };
  });
}
