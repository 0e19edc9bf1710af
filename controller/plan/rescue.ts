import { GIB } from '../../shared/model/desired.js';
import type { Observed, Rescue } from '../../shared/model/observed.js';
import { finalSyncOf } from './receipt.js';
import { RESCUE_GENERATION } from './record.js';
import { objectionOf } from './rival.js';
import { judgeTasks } from './tasks.js';
import type { Action, Plan, PlanInput, Policy } from './types.js';

/** The first try comes soon: often only a container or a server had been killed. */
const FIRST_MS = 5_000;
const BASE_MS = 15_000;
const MAX_MS = 3_600_000;
const LOOK_AGAIN_MS = 1_000;
/** How soon to look whether the place is free. */
const ASK_FOR_PLACE_MS = 15_000;
/** Walking and sending files needs no more. */
const RESOURCES = { cpus: 1, memoryBytes: GIB / 2 };

/** The rescue that is due, or the wait for it, for what an ended run left on its volumes. */
export function nextRescue(before: Rescue | null, nextRunId: string, now: Date): Rescue {
  const { attempts, nextAt } = before ?? {
    attempts: 0,
    nextAt: new Date(now.getTime() + FIRST_MS).toISOString(),
  };
  const waitMs = Date.parse(nextAt) - now.getTime();
  // No wait is that long: the clock was set back.
  const due = waitMs <= 0 || waitMs > MAX_MS;
  return due ? { attempts: attempts + 1, nextAt, runId: nextRunId } : { attempts, nextAt, runId: null };
}

/** A rescue has ended: when the next one would be due. */
export function endRescue({ attempts }: Rescue, now: Date): Rescue {
  const waitMs = Math.min(MAX_MS, BASE_MS * 2 ** Math.min(attempts - 1, 20));
  return { attempts, nextAt: new Date(now.getTime() + waitMs).toISOString(), runId: null };
}

/** True while the agent of a rescue is to be started or works. */
export function isRescuing({ observed, report, world }: PlanInput): boolean {
  const runId = observed?.rescue?.runId ?? null;
  if (runId === null) return false;
  if (finalSyncOf(report, runId) !== null) return false;
  if (world.service === null) return true;
  return (
    world.service.runId === runId && world.service.replicas === 1 && judgeTasks(world.tasks).kind !== 'ended'
  );
}

/** Starts the agent alone on the volumes of an ended run. The workspace is stopped all the while. */
export function planRescue(input: PlanInput, observed: Observed): Plan {
  const { world } = input;
  // Like a start, it must not write beside another one where nothing keeps the two apart.
  const free = world.service !== null || (world.leavers.length === 0 && objectionOf(world.rival) === null);
  return {
    observed: {
      ...observed,
      // Its agent's reports are about this run from now on.
      runId: observed.rescue?.runId ?? observed.runId,
      // There was something to rescue, whatever becomes of this try.
      containerStarted: true,
      serviceId: world.service?.id ?? null,
      networkId: world.network?.id ?? null,
      volumes: world.volumes,
    },
    actions: free ? rescueActions(input, observed) : [],
    requeueAfterMs: free ? LOOK_AGAIN_MS : ASK_FOR_PLACE_MS,
  };
}

function rescueActions({ world, volumesOf, policy }: PlanInput, observed: Observed): Action[] {
  const { network, service, gateway } = world;
  const { rescue, runTarget: target, declared } = observed;
  if (rescue?.runId == null || target === null || declared === null) return [];
  if (network === null) return [{ type: 'createNetwork' }];
  const actions: Action[] = [];
  if (service === null) {
    const { spec } = declared;
    // The declaration may name another bucket by now: the volumes are those of the run.
    const volumes = volumesOf({ ...declared, spec: { ...spec, ...target } });
    actions.push({
      type: 'createService',
      request: {
        mode: 'rescue',
        runId: rescue.runId,
        generation: RESCUE_GENERATION,
        target,
        declaration: JSON.stringify(declared),
        image: imageFor(spec.image, policy),
        resources: RESOURCES,
        network,
        volumes,
      },
    });
  }
  if (gateway !== null && !gateway.attached)
    actions.push({ type: 'attachGateway', network, containerId: gateway.containerId });
  return actions;
}

/** The declaration may name an image by now that must not run. Any other one has the agent too. */
function imageFor(declared: string, { allowedImages }: Policy): string {
  return allowedImages.includes(declared) ? declared : (allowedImages[0] ?? declared);
}
