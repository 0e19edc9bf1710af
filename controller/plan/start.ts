import { memoryPressure, startBytes } from '../../shared/model/admission.js';
import { mergeConditions, type ConditionUpdate } from '../../shared/model/condition.js';
import { diskTrouble } from '../../shared/model/disk.js';
import { generationOf, type Desired } from '../../shared/model/desired.js';
import type { Observed, ShutdownReason } from '../../shared/model/observed.js';
import { SERVICES } from '../../shared/model/urls.js';
import type { TaskState } from '../ports/cluster.js';
import { no, yes } from './conditions.js';
import { specValid } from './declaration.js';
import { healthCondition, judgeHealth } from './health.js';
import { ageLeftMs, judgeActivity } from './idle.js';
import { withoutOvertakenSync } from './receipt.js';
import { baseRecord, beginRun, isStarting, withService } from './record.js';
import { objectionOf } from './rival.js';
import { hasRun, judgeTasks, type TasksVerdict } from './tasks.js';
import type { Action, Plan, PlanInput, World } from './types.js';

/** Events tell of most changes at once; this catches those that got lost while something is under way. */
const LOOK_AGAIN_MS = 500;
/** Attaching and proving are what a start waits for last, so they are tried again and again. */
const TRY_AGAIN_MS = 30;
/** Memory comes free when others end, turns come when others have started. */
const ASK_AGAIN_MS = 5_000;

/** The task and gateway that a proof of routes holds for, if there is one to ask through. */
export function routeToProve(world: World): string | null {
  const verdict = judgeTasks(world.tasks);
  if (verdict.kind !== 'running' || !world.gateway?.attached) return null;
  return proofKey(verdict.task, world.gateway.containerId);
}

const proofKey = (task: TaskState, gatewayId: string) => `${task.id}/${gatewayId}`;

/** What brings a workspace that shall run closer to running. */
export function planStart(input: PlanInput, desired: Desired): Plan {
  const generation = generationOf(desired);
  const { world, now } = input;
  const waiting = waitOf(input, desired);
  let record = baseRecord(input, desired);
  if (world.service !== null) record = withService(record, world.service);
  else if (!isStarting(record, generation)) record = beginRun(record, input, desired);
  record = {
    ...withoutOvertakenSync(record, input.report, world.tasks),
    // Who waits for others has no part in it; the time to start in begins afterwards.
    acceptedAt: waiting === null ? (record.acceptedAt ?? now.toISOString()) : null,
    observedGeneration: generation,
    urls: input.urls,
    stoppingAt: null,
    stoppedAt: null,
    shutdownReason: null,
  };

  const verdict = judgeTasks(world.tasks);
  const halt = haltOf(input, desired, record, verdict);
  if (halt !== null) {
    // The next look finds the halt and takes it down, with its files.
    const halted: Observed = { ...record, halt: { generation, ...halt }, message: halt.message };
    return { observed: halted, actions: [], requeueAfterMs: 0 };
  }

  const { route, proven } = routeProof(input, record);
  const startedAt = record.startedAt ?? (proven ? now.toISOString() : null);
  const work =
    startedAt === null ? null : judgeActivity(input, desired, startedAt, reportOfRun(input, record));
  const conditions = startConditions(input, verdict, proven);
  if (waiting !== null) conditions.unshift(waiting);
  const kills = reportOfRun(input, record)?.oomKills ?? 0;
  if (kills > 0) conditions.push(no('WithinMemory', 'OutOfMemory', killsMessage(kills, desired)));
  const disk = reportOfRun(input, record)?.disk;
  const trouble = disk === undefined ? null : diskTrouble(disk);
  if (trouble !== null) conditions.push(no('WithinDisk', trouble.reason, trouble.message));
  const health = startedAt === null ? null : judgeHealth(input, record);
  const healthy = health && healthCondition(health);
  if (healthy) conditions.push(healthy);
  if (work !== null) conditions.push(work.condition);
  const waitingFor = conditions.find((condition) => condition.status !== 'True');
  const observed: Observed = {
    ...record,
    phase: startedAt === null ? 'starting' : 'running',
    message: waitingFor?.message ?? 'All three URLs answer.',
    conditions: mergeConditions(record.conditions, conditions, now),
    serviceId: world.service?.id ?? null,
    networkId: world.network?.id ?? record.networkId,
    volumes: world.volumes,
    node: verdict.kind === 'running' ? verdict.task.nodeId : null,
    provenRoute: proven ? route : null,
    containerStarted: record.containerStarted || hasRun(world.tasks),
    startedAt,
    ...(health && { health: health.health, unhealthyRestart: health.unhealthyRestart }),
  };
  const attaching = world.service !== null && world.gateway?.attached === false;
  const quietMs = earliest(
    work?.wakeInMs,
    health?.wakeInMs,
    ageLeftMs(desired, startedAt, input.policy, now),
  );
  if (waiting !== null) return { observed, actions: [], requeueAfterMs: ASK_AGAIN_MS };
  const requeueAfterMs = proven ? quietMs : route !== null || attaching ? TRY_AGAIN_MS : LOOK_AGAIN_MS;
  return { observed, actions: startActions(input, desired, observed), requeueAfterMs };
}

/** Why it has to wait for others; what runs already has taken its own. */
function waitOf({ world, policy }: PlanInput, desired: Desired): ConditionUpdate | null {
  if (world.service !== null) return null;
  const { freeBytes } = world;
  const need = startBytes(desired.spec.resources);
  const pressure = freeBytes === null ? null : memoryPressure(need, freeBytes, policy.memoryLimitPercent);
  if (pressure !== null) return no('Admitted', 'MemoryPressure', pressure);
  if (world.queued) return no('Admitted', 'Queued', 'It starts as soon as others have started.');
  // That one may wait itself, for as long as it takes.
  const objection = world.rival?.starting ? objectionOf(world.rival) : null;
  return objection && no('Admitted', 'PlaceTaken', objection.message);
}

function earliest(...times: (number | null | undefined)[]): number | null {
  const due = times.filter((time) => time != null);
  return due.length === 0 ? null : Math.max(0, Math.min(...due));
}

/** A proof stays good as long as neither the task nor the gateway's container was replaced. */
function routeProof(input: PlanInput, record: Observed): { route: string | null; proven: boolean } {
  const route = routeToProve(input.world);
  if (route === null) return { route, proven: false };
  const { routes } = input.world;
  const answered = routes !== null && SERVICES.every((service) => routes[service] === null);
  return { route, proven: answered || record.provenRoute === route };
}

function startActions(input: PlanInput, desired: Desired, observed: Observed): Action[] {
  if (objectionOf(input.world.rival) !== null) return [];
  const { network, service, gateway } = input.world;
  if (network === null) return [{ type: 'createNetwork' }];
  const actions: Action[] = [];
  if (service === null && observed.runId !== null) {
    const { runId, observedGeneration: generation } = observed;
    const { bucket, prefix, image, resources } = desired.spec;
    actions.push({
      type: 'createService',
      request: {
        mode: 'workspace',
        runId,
        generation,
        target: { bucket, prefix },
        declaration: JSON.stringify(desired),
        image,
        resources,
        network,
        volumes: input.volumesOf(desired),
      },
    });
  }
  // Attaching takes about as long as Swarm's start, so both begin together.
  if (gateway !== null && !gateway.attached) {
    actions.push({ type: 'attachGateway', network, containerId: gateway.containerId });
  }
  return actions;
}

/** Reasons to give up this start, or what ran, for as long as nobody changes the declaration. */
function haltOf(
  input: PlanInput,
  desired: Desired,
  record: Observed,
  verdict: TasksVerdict,
): { reason: ShutdownReason; message: string } | null {
  const report = reportOfRun(input, record);
  if (verdict.kind === 'ended') {
    if (verdict.outOfMemory) return { reason: 'OutOfMemory', message: outOfMemoryMessage(desired) };
    const message = report?.message ?? verdict.message;
    return record.startedAt === null
      ? { reason: 'StartFailed', message: `It ended before it was ready: ${message}` }
      : { reason: 'Crashed', message: `It ended and Swarm's attempts are used up: ${message}` };
  }
  const ageLeft = ageLeftMs(desired, record.startedAt, input.policy, input.now);
  if (ageLeft !== null && ageLeft <= 0)
    return { reason: 'MaxAge', message: 'It has run for as long as a workspace may (maxAge).' };
  if (record.startedAt !== null) return null;
  const objection = objectionOf(input.world.rival);
  if (objection?.final) return { reason: 'StartFailed', message: objection.message };
  if (report?.state === 'failed')
    return { reason: 'StartFailed', message: report.message ?? 'The agent gave up.' };
  const waitedMs = input.now.getTime() - Date.parse(record.acceptedAt ?? input.now.toISOString());
  if (waitedMs < input.policy.startDeadlineMs) return null;
  const last = report?.message ?? record.message;
  const seconds = Math.round(input.policy.startDeadlineMs / 1000);
  return { reason: 'StartFailed', message: `It was not running within ${seconds} s. Last: ${last}` };
}

const limitOf = ({ spec }: Desired) => `${Math.round(spec.resources.memoryBytes / 1024 ** 2)} MiB`;

function outOfMemoryMessage(desired: Desired): string {
  return `It ran out of its ${limitOf(desired)} of memory again and again, and was killed by the kernel.`;
}

function killsMessage(kills: number, desired: Desired): string {
  const what = kills === 1 ? 'a process' : `${kills} processes`;
  return `The kernel has killed ${what} in it, since its ${limitOf(desired)} of memory were used up.`;
}

function reportOfRun(input: PlanInput, record: Observed) {
  return input.report !== null && input.report.runId === record.runId ? input.report : null;
}

function startConditions(input: PlanInput, verdict: TasksVerdict, proven: boolean): ConditionUpdate[] {
  const { world, declaration } = input;
  const { network, service, gateway } = world;
  const report = input.report?.runId === service?.runId ? input.report : null;
  const objection = world.rival?.starting ? null : objectionOf(world.rival);
  return [
    specValid(declaration),
    ...(objection ? [no('Admitted', 'PlaceTaken', objection.message)] : []),
    network
      ? yes('NetworkReady', 'Created', `Network ${network.name}.`)
      : no('NetworkReady', 'Creating', 'Its network is being created.'),
    service
      ? yes('ServiceCreated', 'Created', `Service ${service.name}.`)
      : no('ServiceCreated', 'Creating', 'Its service is being created.'),
    verdict.kind === 'running'
      ? yes('TaskRunning', 'Running', 'Its container runs.')
      : no('TaskRunning', 'Waiting', waitingMessage(verdict)),
    gateway?.attached
      ? yes('GatewayAttached', 'Attached', 'The gateway reaches its network.')
      : no('GatewayAttached', gateway ? 'Attaching' : 'NoGateway', gatewayMessage(gateway !== null)),
    report?.state === 'starting' || report?.state === 'ready' || proven
      ? yes('FilesRestored', 'Restored', 'The files of the bucket are in place.')
      : no('FilesRestored', 'Restoring', report?.message ?? 'The files of the bucket are being restored.'),
    proven
      ? yes('RoutesReady', 'Proven', 'All three URLs answered through the gateway.')
      : no('RoutesReady', 'Waiting', routesMessage(world)),
  ];
}

function waitingMessage(verdict: TasksVerdict): string {
  const why = verdict.kind === 'waiting' && verdict.message !== '' ? `: ${verdict.message}` : '.';
  return `Its container is not running yet${why}`;
}

function gatewayMessage(present: boolean): string {
  return present
    ? 'The gateway is being attached to its network.'
    : 'The gateway does not run; see `docker service ps` of the gateway.';
}

function routesMessage({ routes }: World): string {
  const open = SERVICES.filter((service) => routes !== null && routes[service] !== null);
  if (routes === null || open.length === 0) return 'Its URLs were not asked yet.';
  return `Not answering yet: ${open.map((service) => `${service} (${routes[service]?.message ?? ''})`).join(', ')}.`;
}
