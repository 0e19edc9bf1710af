import type { Observed } from '../../shared/model/observed.js';
import type { FinalSync, StoredReport } from '../../shared/model/report.js';
import type { ReceiptQuestion } from '../ports/receipts.js';
import type { World } from './types.js';

/** How the last sync of a run ended, as its agent reported; null when it did not say. */
export function finalSyncOf(report: StoredReport | null, runId: string | null): FinalSync | null {
  return report !== null && report.runId === runId ? (report.finalSync ?? null) : null;
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
  const finalSync = finalSyncOf(report, observed.runId) ?? observed.finalSync;
  if (finalSync?.ok !== true || finalSync.receipt === undefined) return null;
  const { id: workspaceId, runId, runTarget: target } = observed;
  return { workspaceId, runId, target, manifest: finalSync.receipt };
}
