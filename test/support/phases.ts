import type { Phase } from '../../shared/model/observed.js';

/** The changes of a phase that may happen; docs/state-machines.md has the same table. */
export const PHASES_AFTER: Record<Phase, readonly Phase[]> = {
  starting: ['running', 'stopping', 'stopped'],
  running: ['starting', 'stopping', 'stopped'],
  // Back to running when the end was taken back before anything was done about it.
  stopping: ['stopped', 'starting', 'running'],
  stopped: ['starting', 'stopping'],
};
