import { startBytes } from '../../shared/model/admission.js';
import type { Observed } from '../../shared/model/observed.js';
import { overlap } from '../../shared/model/bucket-layout.js';
import {
  generationOf,
  MAX_CPUS,
  MAX_MEMORY_BYTES,
  wantedToRun,
  type Desired,
} from '../../shared/model/desired.js';
import { idleRulesOf, idleSince } from '../../shared/model/idle.js';
import { PHASES_AFTER } from '../support/phases.js';
import { POLICY } from '../support/planning.js';
import type { Invariant } from './invariant.js';
import { rest } from './rest.js';
import type { World } from './world.js';

/** Longer than the controller takes from its last look to its deed. */
const REACTION_MS = 8000;
/** Who was well for so long may be restarted again. */
const TRUSTED_MS = 600_000;

export const invariants = (world: World): Invariant[] => [
  oneContainer(world),
  noFileLost(world),
  legalPhases(),
  stoppedIsStopped(world),
  oneServiceARun(world),
  serviceOutlivesContainer(world),
  haltHolds(world),
  oneUnhealthyRestart(),
  roomForStarts(world),
  noOvercommitment(world),
  limits(),
  noBusyLoop(world),
  writersApart(world),
  noIdleStopOfTheBusy(world),
  recordsAreReadable(world),
  rest(world),
];

/** Containers that run, whether or not their service is still there. */
const running = ({ agents }: World) => [...agents.values()].map(({ request }) => request);

function oneContainer(world: World): Invariant {
  return {
    name: 'one container a workspace',
    started: ({ workspaceId: id }) => {
      const alive = running(world).filter(({ workspaceId }) => workspaceId === id);
      return alive.length > 1 ? `${id} has ${alive.length}` : null;
    },
  };
}

function noFileLost({ records, files, clock }: World): Invariant {
  const discardedAt = new Map<string, number>();
  const asksFor = (desired: Desired | null | undefined) =>
    desired?.metadata.deletionRequestedAt !== undefined && desired.metadata.discardUnsaved === true;
  return {
    name: 'no file lost',
    declared: (id, before) => {
      if (before.kind === 'valid' && asksFor(before.value)) discardedAt.set(id, clock.ms);
      return null;
    },
    changed: (change) => {
      if (change.type !== 'removeVolume') return null;
      const { workspaceId: id, name } = change;
      const unsaved = files.unsavedOn(name).length;
      const wanted =
        asksFor(records.desired.valueFor(id)) ||
        asksFor(records.observed.valueFor(id)?.declared) ||
        clock.ms - (discardedAt.get(id) ?? -Infinity) < REACTION_MS;
      return unsaved === 0 || wanted ? null : `${unsaved} files were on ${name} only`;
    },
  };
}

function legalPhases(): Invariant {
  return {
    name: 'legal phases',
    recorded: (id, before, after) => {
      if (before === null || after === null || before.uid !== after.uid) return null;
      const legal = before.phase === after.phase || PHASES_AFTER[before.phase]?.includes(after.phase);
      return legal ? null : `${id} went from ${before.phase} to ${after.phase}`;
    },
  };
}

function stoppedIsStopped(world: World): Invariant {
  return {
    name: 'stopped is stopped',
    recorded: (id, before, after) => {
      if (before?.phase === 'stopped' || after?.phase !== 'stopped') return null;
      // A rescue goes on while the workspace is stopped.
      const runs = running(world).some(({ workspaceId, mode }) => workspaceId === id && mode !== 'rescue');
      const exists = [...world.swarm.services.values()].some(
        ({ workspaceId, request }) => workspaceId === id && request?.mode !== 'rescue',
      );
      return runs || exists ? `${id} is said to be stopped while it is there` : null;
    },
  };
}

function oneServiceARun(world: World): Invariant {
  const runs = new Set<string>();
  return {
    name: 'one service a run',
    changed: (change) => {
      if (change.type !== 'createService') return null;
      const { runId } = change.request;
      const again = runs.has(runId) && !world.removedByHand.has(runId);
      runs.add(runId);
      return again ? `${runId} was started twice` : null;
    },
  };
}

function serviceOutlivesContainer(world: World): Invariant {
  return {
    name: 'a service outlives its container',
    changed: (change) => {
      if (change.type !== 'removeService') return null;
      const lives = running(world).find(({ workspaceId }) => workspaceId === change.workspaceId);
      return lives ? `the service of ${change.workspaceId} was removed while ${lives.runId} lived` : null;
    },
  };
}

function oneUnhealthyRestart(): Invariant {
  const restarts = new Map<string, { runId: string; generation: string | null }>();
  const isSpent = ({ health, phase, observedGeneration }: Observed, generation: string | null) => {
    const passing =
      health?.passingSince != null ? Date.parse(health.checkedAt) - Date.parse(health.passingSince) : 0;
    return phase === 'stopped' || observedGeneration !== generation || passing >= TRUSTED_MS;
  };
  return {
    name: 'one restart of an unhealthy workspace',
    recorded: (id, before, after) => {
      const last = restarts.get(id);
      if (last !== undefined && (after === null || isSpent(after, last.generation))) restarts.delete(id);
      const runId = after?.unhealthyRestart?.runId;
      if (after == null || runId === undefined || runId === before?.unhealthyRestart?.runId) return null;
      const first = restarts.get(id);
      if (first !== undefined && first.runId !== runId)
        return `${id} was restarted for ${first.runId}, and again for ${runId}`;
      restarts.set(id, { runId, generation: after.observedGeneration });
      return null;
    },
  };
}

function haltHolds({ records }: World): Invariant {
  const halts = new Map<string, string>();
  return {
    name: 'a halt holds',
    declared: (id, _before, after) => {
      const lifted = after.kind !== 'valid' || generationOf(after.value) !== halts.get(id);
      if (lifted) halts.delete(id);
      return null;
    },
    recorded: (id, _before, after) => {
      if (after === null) halts.delete(id);
      else if (after.halt !== null) {
        const desired = records.desired.valueFor(id);
        // A declaration that came meanwhile is another try already.
        if (desired !== null && generationOf(desired) === after.halt.generation)
          halts.set(id, after.halt.generation);
      }
      return null;
    },
    changed: (change) => {
      if (change.type !== 'createService' || change.request.mode === 'rescue') return null;
      const { workspaceId: id, generation } = change.request;
      return halts.get(id) === generation ? `${id} was started although it is halted` : null;
    },
  };
}

function roomForStarts({ host, clock }: World): Invariant {
  let fullSince: number | null = null;
  return {
    name: 'no start over the memory limit',
    always: () => {
      const full = host.usedBytes > host.totalBytes * (POLICY.memoryLimitPercent / 100);
      fullSince = full ? (fullSince ?? clock.ms) : null;
      return null;
    },
    changed: (change) => {
      if (change.type !== 'createService' || change.request.mode === 'rescue' || fullSince === null)
        return null;
      const ms = clock.ms - fullSince;
      return ms > REACTION_MS ? `${change.request.workspaceId}: full for ${ms} ms` : null;
    },
  };
}

/** Starts that are under way together must fit together; what others take is steady meanwhile. */
function noOvercommitment(world: World): Invariant {
  const { host, clock } = world;
  const pending = new Map<string, { bytes: number; by: unknown }>();
  let disturbedAt = clock.ms;
  let others = host.othersBytes;
  let controller: unknown = null;
  return {
    name: 'starts fit together',
    always: () => {
      if (host.othersBytes !== others || world.controller !== controller) disturbedAt = clock.ms;
      others = host.othersBytes;
      controller = world.controller;
      return null;
    },
    started: ({ runId }) => {
      if (pending.get(runId)?.by !== world.controller) disturbedAt = clock.ms;
      pending.delete(runId);
      return null;
    },
    changed: (change) => {
      if (change.type !== 'createService') return null;
      const { mode, runId, resources, workspaceId } = change.request;
      if (mode === 'rescue') return null;
      pending.set(runId, { bytes: startBytes(resources), by: world.controller });
      const own = [...pending].filter(([run, { by }]) => by === world.controller && isThere(world, run));
      const bytes = own.reduce((sum, [, start]) => sum + start.bytes, host.usedBytes);
      const fits = bytes <= host.totalBytes * (POLICY.memoryLimitPercent / 100);
      const steady = clock.ms - disturbedAt > REACTION_MS;
      return fits || !steady ? null : `${workspaceId} was started beside ${own.length - 1} others`;
    },
  };
}

const isThere = ({ swarm }: World, runId: string) =>
  [...swarm.services.values()].some((service) => service.runId === runId && service.replicas > 0);

function limits(): Invariant {
  return {
    name: 'limits',
    changed: (change) => {
      if (change.type !== 'createService') return null;
      const { image, resources } = change.request;
      const { cpus, memoryBytes } = resources;
      if (!POLICY.allowedImages.includes(image)) return `${image} may not run`;
      return cpus > MAX_CPUS || memoryBytes > MAX_MEMORY_BYTES ? `${cpus} CPUs, ${memoryBytes} bytes` : null;
    },
  };
}

function noBusyLoop({ clock }: World): Invariant {
  let since = clock.ms;
  let steps = 0;
  return {
    name: 'no busy loop',
    always: () => {
      // Whole milliseconds: what is a little later is no rest.
      if (clock.ms - since >= 1) {
        since = clock.ms;
        steps = 0;
      }
      return ++steps > 2000 ? 'more than 2000 steps in a millisecond' : null;
    },
  };
}

function writersApart(world: World): Invariant {
  return {
    name: 'no two writers where nothing keeps them apart',
    started: ({ workspaceId: id, target }) => {
      if (world.setting.conditions.kind === 'kept') return null;
      const other = running(world).find(
        (request) => request.workspaceId !== id && overlap(request.target, target),
      );
      return other ? `${id} and ${other.workspaceId}` : null;
    },
  };
}

function recordsAreReadable({ records: { observed, reports } }: World): Invariant {
  return {
    name: 'records can be read',
    atRest: () =>
      observed.known.map((id) => observed.problemOf(id)).find((problem) => problem !== null) ??
      reports.known.map((id) => reports.problemOf(id)).find((problem) => problem !== null) ??
      null,
  };
}

function noIdleStopOfTheBusy({ records, clock }: World): Invariant {
  return {
    name: 'no idle stop of who works',
    changed: (change) => {
      if (change.type !== 'scaleToZero') return null;
      const { workspaceId: id, runId, generation } = change;
      const desired = records.desired.valueFor(id);
      const report = records.reports.valueFor(id);
      // It ends for another reason.
      const record = records.observed.valueFor(id);
      if (record?.halt?.generation === generation || record?.unhealthyRestart?.runId === runId) return null;
      if (desired?.spec.stopReason !== 'Inactivity' || desired.spec.idleSince === undefined) return null;
      const onlyIdle =
        desired.metadata.deletionRequestedAt === undefined &&
        generationOf(wantedToRun(desired)) === generation;
      if (!onlyIdle || report?.runId !== runId || report.state !== 'ready') return null;
      if (clock.ms - Date.parse(report.receivedAt) < REACTION_MS) return null;
      const rules = idleRulesOf(desired.spec, desired.spec.idleSince, POLICY.idle);
      const since = idleSince(rules, report.activity) ?? 0;
      return since > Date.parse(desired.spec.idleSince) ? `${id} was worked in` : null;
    },
  };
}
