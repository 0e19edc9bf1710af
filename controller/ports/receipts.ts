import type { Target } from './cluster.js';

/** What was found of a run's receipt in its bucket. */
export type ReceiptFinding =
  | { kind: 'verified' }
  /** It is not there, or the bucket does not hold what it says. */
  | { kind: 'wrong'; message: string }
  /** The server did not answer; ask again later. */
  | { kind: 'unreachable'; message: string };

/** What identifies the end of one run. */
export interface ReceiptQuestion {
  workspaceId: string;
  runId: string;
  target: Target;
  /** As the agent reported it. */
  manifest: string;
}

/** The proof that a run's files are in its bucket, asked of the bucket itself. */
export interface Receipts {
  verify(question: ReceiptQuestion): Promise<ReceiptFinding>;
}
