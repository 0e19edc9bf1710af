import { mergeConditions, type ConditionUpdate } from '../../shared/model/condition.js';
import { generationOf } from '../../shared/model/desired.js';
import type { Observed, Rescue } from '../../shared/model/observed.js';
import type { FinalSync } from '../../shared/model/report.js';
import { archiveInMs } from './archive.js';
import { no, yes } from './conditions.js';
import { inForce, specValid } from './declaration.js';
import { lastSync, withoutOvertakenSync } from './receipt.js';
import { baseRecord, firstRecord, withService, withVolumes } from './record.js';
import { endRescue, nextRescue } from './rescue.js';
import { hasRun, liveTasks } from './tasks.js';
import type { TaskState } from '../ports/cluster.js';
import type { Action, Plan, PlanInput, StopCause, World } from './types.js';

/** How soon to look again while containers, networks and volumes wind down. */
const LOOK_AGAIN_MS = 250;

/** How soon to look again at what is overdue: what it waits for now is a person. */
const OVERDUE_LOOK_MS = 5_000;

/** How soon to ask an S3 server again that did not answer. */
const ASK_AGAIN_MS = 10_000;

/**
 * What takes a workspace down without losing a file: the container ends by itself (the agent's final
 * sync), then the service goes, then the network, and the volumes only when the files are safe. Where
 * they are not, rescues follow until they are.
 *
 * @param startsAgain - it is declared to run, so the next start takes care of what is on its volumes
 */
export function planStop(input: PlanInput, cause: StopCause, { startsAgain = false } = {}): Plan {
  const { world, now } = input;
  const before = recordBefore(input);
  if (before === null) {
    const actions = stopActions(input, []);
    const gone = isGone(world);
    return { observed: null, actions, requeueAfterMs: gone ? null : LOOK_AGAIN_MS };
  }
  const finalSync = lastSync(input.report, before);
  const receiptVerified = before.receiptVerified || world.receipt?.kind === 'verified';
  const verdict = judgeVolumes(input, { ...before, finalSync, receiptVerified });
  const actions = stopActions(input, verdict.removable);
  const gone = isGone(world) && actions.length === 0;
  // What a rescue leaves behind is taken down while the workspace is stopped, as it was before.
  const stopped = gone || (before.rescue !== null && !startsAgain);
  const rescue = rescueOf(input, before, { rescuable: verdict.unsaved && !startsAgain, gone });

  const neverRan = before.runId === null && world.service === null && world.volumes.length === 0;
  const stoppingAt = before.stoppingAt ?? now.toISOString();
  const overdue = !gone && !stopped && now.getTime() - Date.parse(stoppingAt) > input.policy.stopDeadlineMs;
  const kept = gone && world.volumes.length > 0;
  const conditions: ConditionUpdate[] = [specValid(input.declaration)];
  if (!neverRan && (gone || finalSync !== null))
    conditions.push(finalSyncCondition(input, finalSync, { safe: verdict.safe, kept }));
  if (overdue) conditions.push(no('Progressing', 'DeadlineExceeded', overdueMessage(input)));
  const observed: Observed = {
    ...before,
    phase: stopped ? 'stopped' : 'stopping',
    message: kept ? `${cause.message} ${keptMessage(world.volumes, rescue)}` : cause.message,
    conditions: mergeConditions(before.conditions, conditions, now),
    serviceId: world.service?.id ?? null,
    networkId: world.network?.id ?? null,
    volumes: world.volumes,
    node: null,
    provenRoute: null,
    containerStarted: before.containerStarted || hasRun(world.tasks) || world.leavers.length > 0,
    stoppingAt,
    stoppedAt: stopped ? (before.stoppedAt ?? now.toISOString()) : null,
    shutdownReason: before.shutdownReason ?? cause.reason,
    finalSync,
    receiptVerified,
    rescue,
  };
  const archiveIn = archiveInMs(input, observed);
  if (archiveIn === 0) return { observed, actions: [{ type: 'archive' }], requeueAfterMs: null };
  const lookInMs = overdue ? OVERDUE_LOOK_MS : LOOK_AGAIN_MS;
  return { observed, actions, requeueAfterMs: gone ? (waitOf(input, rescue) ?? archiveIn) : lookInMs };
}

/** When to look again although nothing is left but volumes, if at all. */
function waitOf({ world, now }: PlanInput, rescue: Rescue | null): number | null {
  if (world.receipt?.kind === 'unreachable') return ASK_AGAIN_MS;
  return rescue === null ? null : Math.max(0, Date.parse(rescue.nextAt) - now.getTime());
}

function rescueOf(
  { nextRunId, now, world }: PlanInput,
  { rescue }: Observed,
  { rescuable, gone }: { rescuable: boolean; gone: boolean },
): Rescue | null {
  // One that was under way has ended, or would not be stopped here.
  if (rescue?.runId != null) return endRescue(rescue, now);
  if (!gone) return rescue;
  // An S3 server that does not answer cannot take files either: first it is asked again.
  if (!rescuable || world.receipt?.kind === 'unreachable') return rescuable ? rescue : null;
  return nextRescue(rescue, nextRunId, now);
}

/** The record of what is being stopped; null for an orphan, of which nothing is known. */
function recordBefore(input: PlanInput): Observed | null {
  const desired = inForce(input.declaration, input.observed);
  if (desired === null) {
    return input.observed ?? (input.declaration.kind === 'invalid' ? firstRecord(input, null) : null);
  }
  const base = baseRecord(input, desired);
  // A record of another declaration (a new one while the old container still runs) starts its own story.
  const { service } = input.world;
  const observedGeneration = generationOf(desired);
  // Whoever changed the declaration, even to have it stopped, wants another try when it starts again.
  const halt = base.halt?.generation === observedGeneration ? base.halt : null;
  const unhealthyRestart = base.observedGeneration === observedGeneration ? base.unhealthyRestart : null;
  const known = service === null ? withVolumes(base, input, desired) : withService(base, service);
  const record = withoutOvertakenSync(known, input.report, input.world.tasks);
  return { ...record, observedGeneration, halt, unhealthyRestart };
}

/**
 * Swarm deletes such a task itself in a moment. A service that is removed in that very moment has been
 * seen to crash the engine (20.10: nil pointer in SetServiceTasksRemove).
 */
const isBeingReaped = (task: TaskState) => task.desiredState === 'remove';

/** Nothing is left but volumes. */
const isGone = ({ service, leavers, network }: World) =>
  service === null && leavers.length === 0 && network === null;

function stopActions({ world }: PlanInput, removable: readonly string[]): Action[] {
  const { service, leavers, network, gateway } = world;
  if (service !== null) {
    if (service.replicas > 0) return [{ type: 'scaleToZero', serviceId: service.id }];
    if (liveTasks(world.tasks).length > 0 || world.tasks.some(isBeingReaped)) return [];
    return [{ type: 'removeService', serviceId: service.id }];
  }
  if (leavers.length > 0) return [];
  const actions: Action[] = [];
  // The gateway stays attached until here: the final sync went through it.
  if (network !== null) {
    const gatewayContainerId = gateway?.containerId ?? null;
    actions.push({ type: 'removeNetwork', networkId: network.id, gatewayContainerId });
  }
  actions.push(...removable.map((name) => ({ type: 'removeVolume', name }) as const));
  return actions;
}

/**
 * Which volumes may go? Those of this run, once the bucket itself showed the receipt of its last sync, or
 * when no container of it ever ran and none of an earlier run left files. What an agent last said before it
 * was killed proves nothing: it may have gone on, unheard. Volumes of another bucket may hold what the end
 * of this run says nothing about.
 */
function judgeVolumes(
  input: PlanInput,
  record: Observed,
): { safe: boolean; unsaved: boolean; removable: string[] } {
  const { volumes } = input.world;
  if (isDiscarded(input)) return { safe: true, unsaved: false, removable: volumes };
  const own = volumes.filter((name) => record.runVolumes.includes(name));
  const safe = isSafe(input, record);
  return { safe, unsaved: !safe && own.length > 0, removable: safe ? own : [] };
}

function isSafe({ report }: PlanInput, record: Observed): boolean {
  const { runId, finalSync } = record;
  if (runId === null) return false;
  if (finalSync === null) return !record.unsavedBefore && !record.containerStarted && report?.runId !== runId;
  // Without a receipt there was nothing to save.
  if (finalSync.receipt === undefined) return finalSync.ok && finalSync.files === 0;
  return finalSync.ok && record.receiptVerified;
}

/** Somebody said that the files are not wanted any more. */
function isDiscarded({ declaration, observed }: PlanInput): boolean {
  const metadata = inForce(declaration, observed)?.metadata;
  return metadata?.deletionRequestedAt !== undefined && metadata.discardUnsaved === true;
}

function finalSyncCondition(
  input: PlanInput,
  finalSync: FinalSync | null,
  { safe, kept }: { safe: boolean; kept: boolean },
): ConditionUpdate {
  if (isDiscarded(input))
    return no('FinalSyncVerified', 'Discarded', 'Its volumes go as they are, as was asked.');
  if (safe && kept)
    return no('FinalSyncVerified', 'EarlierRun', 'Volumes of an earlier run on another bucket are kept.');
  if (safe && finalSync?.receipt !== undefined)
    return yes('FinalSyncVerified', 'Saved', 'Its receipt was read back: every file is in the bucket.');
  if (safe) return yes('FinalSyncVerified', 'NothingToSave', 'Nobody had written a file.');
  const { receipt } = input.world;
  const where = kept ? ' Its volumes are kept.' : '';
  if (receipt !== null && receipt.kind !== 'verified')
    return no(
      'FinalSyncVerified',
      'ReceiptNotVerified',
      `Its receipt is not confirmed: ${receipt.message}.${where}`,
    );
  const why = finalSync?.message ?? (finalSync?.ok ? 'its receipt is still to be read' : NO_WORD);
  return no('FinalSyncVerified', 'NotConfirmed', `The final sync is not confirmed: ${why}.${where}`);
}

const NO_WORD = 'the container ended without a confirmation';

function keptMessage(volumes: readonly string[], rescue: Rescue | null): string {
  const next = rescue === null ? '' : ` They are saved again at ${rescue.nextAt}.`;
  return `Files that may not be in the bucket are kept in ${volumes.join(', ')}.${next}`;
}

function overdueMessage({ world, policy }: PlanInput): string {
  const what = heldBack(world);
  return `Not stopped after ${Math.round(policy.stopDeadlineMs / 1000)} s; ${what} is still there. Nothing is deleted by force.`;
}

/** What a stop waits for: in this order it is taken down. */
function heldBack({ service, leavers, network, volumes }: World): string {
  if (service !== null) return `service ${service.name}`;
  if (leavers.length > 0) return 'a container whose service was removed';
  return network === null ? `volume ${volumes.join(', ')}` : `network ${network.name}`;
}
