import { generationOf, type Desired } from '../../shared/model/desired.js';
import type { Observed } from '../../shared/model/observed.js';
import type { ServiceState } from '../ports/cluster.js';
import type { PlanInput } from './types.js';

/** What the service of a rescue is made for: no declaration has it, so that a start ends the rescue in order first. */
export const RESCUE_GENERATION = 'rescue';

/** The record before this look at the world: the last one, or the first one of a new declaration. */
export function baseRecord(input: PlanInput, desired: Desired): Observed {
  const { observed } = input;
  // The same name declared anew is another workspace: nothing of the old one's history is its own.
  if (observed !== null && observed.uid === (desired.metadata.uid ?? ''))
    return {
      ...observed,
      declared: desired,
      accessRevokedAt: later(observed.accessRevokedAt, desired.metadata.accessRevokedAt),
    };
  return firstRecord(input, desired);
}

/** Of two ISO times. */
function later(one: string | null, other: string | null = null): string | null {
  return one !== null && (other === null || Date.parse(one) > Date.parse(other)) ? one : other;
}

/** The first record of a workspace; of a file that was never valid, only its name is known. */
export function firstRecord(input: PlanInput, desired: Desired | null): Observed {
  return {
    id: input.id,
    uid: desired?.metadata.uid ?? '',
    declared: desired,
    phase: 'starting',
    message: '',
    conditions: [],
    urls: input.urls,
    observedGeneration: desired === null ? '' : generationOf(desired),
    runId: null,
    serviceId: null,
    networkId: null,
    volumes: [],
    runVolumes: [],
    runTarget: null,
    node: null,
    provenRoute: null,
    containerStarted: false,
    unsavedBefore: false,
    createdAt: desired?.metadata.createdAt ?? input.now.toISOString(),
    acceptedAt: null,
    startedAt: null,
    stoppingAt: null,
    stoppedAt: null,
    lastStoppedAt: null,
    accessRevokedAt: desired?.metadata.accessRevokedAt ?? null,
    shutdownReason: null,
    finalSync: null,
    receiptVerified: false,
    rescue: null,
    halt: null,
    health: null,
    unhealthyRestart: null,
    events: [],
  };
}

const placeOf = ({ spec }: Desired) => ({ bucket: spec.bucket, prefix: spec.prefix });

/** The record of a run that begins now. */
export function beginRun(base: Observed, input: PlanInput, desired: Desired): Observed {
  const runVolumes = Object.values(input.volumesOf(desired));
  const anew = base.phase === 'stopped' || base.observedGeneration !== generationOf(desired);
  return {
    ...base,
    runId: input.nextRunId,
    runVolumes,
    runTarget: placeOf(desired),
    provenRoute: null,
    containerStarted: false,
    // Volumes are removed once their files are proven to be in the bucket; these were not.
    unsavedBefore: runVolumes.some((name) => input.world.volumes.includes(name)),
    acceptedAt: input.now.toISOString(),
    startedAt: null,
    stoppingAt: null,
    stoppedAt: null,
    lastStoppedAt: base.stoppedAt ?? base.lastStoppedAt,
    shutdownReason: null,
    finalSync: null,
    receiptVerified: false,
    rescue: null,
    halt: null,
    health: null,
    // Whoever starts it anew gives it another chance; the restart itself does not, nor a service that gets lost.
    unhealthyRestart: anew ? null : base.unhealthyRestart,
  };
}

/** What the service itself says about its run is the truth, also where the record was lost. */
export function withService(record: Observed, service: ServiceState): Observed {
  const { runId, volumes, target } = service;
  const known = { ...record, runId, runVolumes: volumes, runTarget: target };
  if (record.runId === runId) return known;
  // Of a run that is not on record nobody knows what its container has done, and what another one said at
  // its end, or had proven, says nothing about it.
  return {
    ...known,
    ...{ containerStarted: true, finalSync: null, receiptVerified: false },
    ...{ startedAt: null, acceptedAt: null, provenRoute: null, health: null },
  };
}

/**
 * A workspace that was stopped with nothing left gets no volumes without a start. Where there are some, the
 * record is an older one, of a backup: what it has proven is about others, and so may be the last report.
 */
export function withVolumes(record: Observed, input: PlanInput, desired: Desired): Observed {
  const { volumes } = input.world;
  const known =
    record.runId === null && record.runVolumes.length === 0
      ? withVolumesFound(record, input, desired)
      : record;
  const isOlder = record.phase === 'stopped' && record.volumes.length === 0 && volumes.length > 0;
  return isOlder ? { ...known, runId: null, finalSync: null, receiptVerified: false } : known;
}

/**
 * Where the record was lost, or an edit gave it another uid, no run is known. What lies on the volumes of
 * its place is still to be saved to it.
 */
function withVolumesFound(record: Observed, { world, volumesOf }: PlanInput, desired: Desired) {
  const runVolumes = Object.values(volumesOf(desired));
  if (!runVolumes.some((name) => world.volumes.includes(name))) return record;
  return { ...record, runVolumes, runTarget: placeOf(desired) };
}

/** True when the record speaks of a start that goes on: begun for this declaration, nothing ran yet. */
export function isStarting(record: Observed, generation: string): boolean {
  return (
    record.runId !== null &&
    record.observedGeneration === generation &&
    record.startedAt === null &&
    record.stoppingAt === null
  );
}
