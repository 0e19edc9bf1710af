import type { Observed } from '../../shared/model/observed.js';
import type { FinalSync, StoredReport } from '../../shared/model/report.js';
import type { TaskState } from '../ports/cluster.js';
import type { ReceiptQuestion } from '../ports/receipts.js';
import type { World } from './types.js';

/** How the last sync of a run ended, as its agent reported; null when it did not say. */
export function finalSyncOf(report: StoredReport | null, runId: string | null): FinalSync | null {
  return report !== null && report.runId === runId ? (report.finalSync ?? null) : null;
}

/** The same, as the record knows it: what it says of the same words holds, since they may be overtaken by now. */
export function lastSync(report: StoredReport | null, record: Observed): FinalSync | null {
  const said = finalSyncOf(report, record.runId);
  return said === null || said.at === record.finalSync?.at ? record.finalSync : said;
}

/**
 * Swarm starts a container again also after an end in order. Then what that one said at its end, and its
 * receipt, prove nothing of what the next one has written, even if that one is never heard of.
 */
export function withoutOvertakenSync(
  record: Observed,
  report: StoredReport | null,
  tasks: readonly TaskState[],
): Observed {
  const said = lastSync(report, record);
  if (said === null || !tasks.some(({ createdAt }) => createdAt > said.at)) return record;
  const message = 'its container was started again afterwards';
  return { ...record, finalSync: { ...said, ok: false, message }, receiptVerified: false };
}

/** The receipt that decides whether volumes may go now, if there is one to ask for. */
export function receiptToVerify(
  world: World,
  observed: Observed | null,
  report: StoredReport | null,
): ReceiptQuestion | null {
  if (observed?.runId == null || observed.runTarget === null || observed.receiptVerified) return null;
  // As long as a container may write, the bucket cannot be the last word.
  if (world.service !== null || world.leavers.length > 0) return null;
  if (!world.volumes.some((name) => observed.runVolumes.includes(name))) return null;
  const finalSync = lastSync(report, observed);
  if (finalSync?.ok !== true || finalSync.receipt === undefined) return null;
  const { id: workspaceId, runId, runTarget: target } = observed;
  return { workspaceId, runId, target, manifest: finalSync.receipt };
}
