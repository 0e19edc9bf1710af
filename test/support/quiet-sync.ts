import type { AgentReport } from '../../shared/model/report.js';

/** The sync of an agent that has not done anything yet. */
export const QUIET_SYNC: AgentReport['sync'] = {
  lastSyncAt: null,
  pendingFiles: 0,
  pendingBytes: 0,
  files: 0,
  bytes: 0,
  uploaded: 0,
  downloaded: 0,
  deleted: 0,
  failed: 0,
  conflicts: 0,
  special: 0,
  hardLinks: 0,
  leftOut: { count: 0, examples: [] },
  refused: { count: 0, examples: [] },
  error: null,
};
