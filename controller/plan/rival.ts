import { overlap } from '../../shared/model/bucket-layout.js';
import type { Observed } from '../../shared/model/observed.js';
import type { ClusterView, Target } from '../ports/cluster.js';
import { inForce, stopCause } from './declaration.js';
import { RESCUE_GENERATION } from './record.js';
import { liveTasks } from './tasks.js';
import type { DeclarationRead, Rival, World } from './types.js';

/** Where a workspace, or a rescue of it, is about to start; null when it is not. */
export function placeToStartAt(
  declaration: DeclarationRead,
  observed: Observed | null,
  world: World,
): Target | null {
  if (world.service !== null || world.leavers.length > 0) return null;
  if (stopCause(declaration, observed) !== null)
    return observed?.rescue?.runId == null ? null : observed.runTarget;
  const desired = inForce(declaration, observed);
  return desired && { bucket: desired.spec.bucket, prefix: desired.spec.prefix };
}

/** The other workspace that writes there, if there is one. */
export function writerAt(
  target: Target,
  id: string,
  { services, leavers }: Pick<ClusterView, 'services' | 'leavers'>,
): { id: string; ending: boolean } | null {
  const isRival = (other: { workspaceId: string; target: Target | null }) =>
    other.workspaceId !== id && other.target !== null && overlap(other.target, target);
  const other = services.find(isRival);
  if (other === undefined) {
    const leaver = liveTasks(leavers).find(isRival);
    return leaver === undefined ? null : { id: leaver.workspaceId, ending: true };
  }
  return { id: other.workspaceId, ending: other.replicas === 0 || other.generation === RESCUE_GENERATION };
}

/** Why a workspace cannot start beside another one, and whether waiting may help; null when it can. */
export function objectionOf(rival: Rival | null): { message: string; final: boolean } | null {
  if (rival === null || rival.conditions.kind === 'kept') return null;
  const { id, conditions } = rival;
  if (conditions.kind === 'unreachable') {
    const message = `Workspace "${id}" writes to the same place, and the S3 server cannot be asked whether it keeps them apart: ${conditions.message}.`;
    return { message, final: false };
  }
  const why = `the S3 server does not keep two writers apart (it lacks ${conditions.conditions.join(', ')})`;
  if (rival.starting)
    return {
      message: `It waits for workspace "${id}", which starts on the same place, since ${why}.`,
      final: false,
    };
  return rival.ending
    ? { message: `It waits for the end of workspace "${id}" on the same place, since ${why}.`, final: false }
    : {
        message: `Workspace "${id}" writes to the same place, and ${why}. Use another bucket or prefix, or stop "${id}" first.`,
        final: true,
      };
}
