import type { Observed } from '../../shared/model/observed.js';
import type { PlanInput } from './types.js';

/**
 * In how many ms a stopped workspace leaves the records for the archive (R6.6); null: not by itself.
 * As long as it has volumes, its files may not be in the bucket; as long as its file is broken, somebody
 * still wants something.
 */
export function archiveInMs(
  { world, declaration, now, policy }: PlanInput,
  { phase, stoppedAt, rescue }: Observed,
): number | null {
  const { service, network, volumes } = world;
  const empty = service === null && network === null && volumes.length === 0;
  if (phase !== 'stopped' || stoppedAt === null || !empty || rescue !== null) return null;
  if (declaration.kind === 'invalid') return null;
  return Math.max(0, Date.parse(stoppedAt) + policy.archiveAfterMs - now.getTime());
}
