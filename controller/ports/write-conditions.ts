import type { Target } from './cluster.js';

/** Whether an S3 server keeps several writers apart. */
export type ConditionsFinding =
  | { kind: 'kept' }
  /** Conditions of writes that it refuses or overlooks, in words. */
  | { kind: 'missing'; conditions: string[] }
  /** The server did not answer; ask again later. */
  | { kind: 'unreachable'; message: string };

export interface WriteConditions {
  /** Tries it, in the place that several workspaces want to write to. */
  probe(target: Target): Promise<ConditionsFinding>;
}
