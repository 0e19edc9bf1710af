import { mergeConditions, type ConditionUpdate } from '../../shared/model/condition.js';
import { generationOf } from '../../shared/model/desired.js';
import type { Observed } from '../../shared/model/observed.js';
import type { FinalSync } from '../../shared/model/report.js';
import { no, yes } from './conditions.js';
import { inForce, specValid } from './declaration.js';
import { baseRecord, firstRecord } from './record.js';
import { liveTasks } from './tasks.js';
import type { Action, Plan, PlanInput, StopCause } from './types.js';

/** How soon to look again while containers, networks and volumes wind down. */
const LOOK_AGAIN_MS = 250;

/**
 * What takes a workspace down without losing a file: the container ends by itself (the agent's final
 * sync), then the service goes, then the network, and the volumes only when the files are safe.
 */
export function planStop(input: PlanInput, cause: StopCause): Plan {
  const { world, now } = input;
  const before = recordBefore(input);
  const runId = world.service?.runId ?? before?.runId ?? null;
  const finalSync = finalSyncOf(input, runId) ?? before?.finalSync ?? null;
  const safe = before !== null && volumesAreSafe(input, before, runId, finalSync);
  const actions = stopActions(input, before, safe);
  const gone = world.service === null && world.network === null && actions.length === 0;
  const requeueAfterMs = gone ? null : LOOK_AGAIN_MS;
  if (before === null) return { observed: null, actions, requeueAfterMs };

  const neverRan = before.runId === null && world.service === null;
  const stoppingAt = before.stoppingAt ?? now.toISOString();
  const overdue = !gone && now.getTime() - Date.parse(stoppingAt) > input.policy.stopDeadlineMs;
  const kept = gone && world.volumes.length > 0;
  const conditions: ConditionUpdate[] = [specValid(input.declaration)];
  if (!neverRan && (gone || finalSync !== null)) conditions.push(finalSyncCondition(finalSync, safe, kept));
  if (overdue) conditions.push(no('Progressing', 'DeadlineExceeded', overdueMessage(input)));
  const observed: Observed = {
    ...before,
    phase: gone ? 'stopped' : 'stopping',
    message: kept
      ? `${cause.message} Files that may not be in the bucket are kept in ${world.volumes.join(', ')}.`
      : cause.message,
    conditions: mergeConditions(before.conditions, conditions, now),
    serviceId: world.service?.id ?? null,
    networkId: world.network?.id ?? null,
    volumes: world.volumes,
    node: null,
    provenRoute: null,
    containerStarted: before.containerStarted || world.tasks.some((task) => task.state === 'running'),
    stoppingAt,
    stoppedAt: gone ? (before.stoppedAt ?? now.toISOString()) : null,
    shutdownReason: before.shutdownReason ?? cause.reason,
    finalSync,
  };
  return { observed, actions, requeueAfterMs };
}

/** The record of what is being stopped; null for an orphan, of which nothing is known. */
function recordBefore(input: PlanInput): Observed | null {
  const desired = inForce(input.declaration, input.observed);
  if (desired === null) {
    return input.observed ?? (input.declaration.kind === 'invalid' ? firstRecord(input, null) : null);
  }
  const record = baseRecord(input, desired);
  // A record of another declaration (a new one while the old container still runs) starts its own story.
  const { service } = input.world;
  const runId = service?.runId ?? record.runId;
  const runVolumes = service?.volumes ?? record.runVolumes;
  const observedGeneration = generationOf(desired);
  // Whoever changed the declaration, even to have it stopped, wants another try when it starts again.
  const halt = record.halt?.generation === observedGeneration ? record.halt : null;
  return { ...record, runId, runVolumes, observedGeneration, halt };
}

function stopActions({ world }: PlanInput, before: Observed | null, safe: boolean): Action[] {
  const { service, network, gateway, volumes } = world;
  if (service !== null) {
    if (service.replicas > 0) return [{ type: 'scaleToZero', serviceId: service.id }];
    if (liveTasks(world.tasks).length > 0) return [];
    return [{ type: 'removeService', serviceId: service.id }];
  }
  const actions: Action[] = [];
  // The gateway stays attached until here: the final sync went through it.
  if (network !== null) {
    const gatewayContainerId = gateway?.containerId ?? null;
    actions.push({ type: 'removeNetwork', networkId: network.id, gatewayContainerId });
  }
  if (before !== null && safe) {
    // Volumes of another bucket may hold what the end of this run says nothing about.
    const saved = volumes.filter((name) => before.runVolumes.includes(name));
    actions.push(...saved.map((name) => ({ type: 'removeVolume', name }) as const));
  }
  return actions;
}

function finalSyncOf({ report }: PlanInput, runId: string | null): FinalSync | null {
  return report !== null && report.runId === runId ? (report.finalSync ?? null) : null;
}

/**
 * May the volumes of this run go? Only when the agent confirmed that all is in the bucket, or when no
 * container of it ever ran and none of an earlier run left files. What an agent last said before it was
 * killed proves nothing: it may have gone on, unheard.
 */
function volumesAreSafe(
  { report }: PlanInput,
  before: Observed,
  runId: string | null,
  finalSync: FinalSync | null,
): boolean {
  if (runId === null) return false;
  if (finalSync !== null) return finalSync.ok;
  return !before.unsavedBefore && !before.containerStarted && report?.runId !== runId;
}

function finalSyncCondition(finalSync: FinalSync | null, safe: boolean, kept: boolean): ConditionUpdate {
  if (safe && kept)
    return no('FinalSyncVerified', 'EarlierRun', 'Volumes of an earlier run on another bucket are kept.');
  if (finalSync?.ok)
    return yes('FinalSyncVerified', 'Saved', 'The agent confirmed that every file is in the bucket.');
  if (safe) return yes('FinalSyncVerified', 'NothingToSave', 'Nobody had written a file.');
  const why = finalSync?.message ?? 'the container ended without a confirmation';
  const where = kept ? ' Its volumes are kept.' : '';
  return no('FinalSyncVerified', 'NotConfirmed', `The final sync is not confirmed: ${why}.${where}`);
}

function overdueMessage({ world, policy }: PlanInput): string {
  const what = world.service ? `service ${world.service.name}` : `network ${world.network?.name ?? ''}`;
  return `Not stopped after ${Math.round(policy.stopDeadlineMs / 1000)} s; ${what} is still there. Nothing is deleted by force.`;
}
