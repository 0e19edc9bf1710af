import { generationOf, imageProblem, type Desired } from '../../shared/model/desired.js';
import { overlap } from '../../shared/model/bucket-layout.js';
import type { Observed } from '../../shared/model/observed.js';
import { isTakenBack } from '../../shared/model/idle.js';
import { POLICY } from '../support/planning.js';
import type { Invariant } from './invariant.js';
import { isAlive, type World } from './world.js';

/** Given time, everything is as declared, and nothing is left of what is not. */
export function rest(world: World): Invariant {
  const firstProblem = (problemOf: (id: string) => string | null) => {
    for (const id of world.ids) {
      const message = problemOf(id);
      if (message !== null) return `${id}: ${message}`;
    }
    return null;
  };
  const problemOf = (id: string) => {
    if (isOvertaken(world, id)) return null;
    return shallRun(world, id) ? problemOfRunning(world, id) : problemOfStopped(world, id);
  };
  return {
    name: 'rest is as declared',
    whenQuiet: () => firstProblem((id) => (isRescued(world, id) ? null : problemOf(id))),
    atRest: () => firstProblem((id) => problemOf(id) ?? problemOfVolumes(world, id)),
  };
}

/** Its file still says that it is idle, and somebody has worked: it may run, until one of both is written anew. */
function isOvertaken({ records }: World, id: string): boolean {
  const desired = records.desired.valueFor(id);
  const report = records.reports.valueFor(id);
  return desired !== null && report !== null && isTakenBack(desired.spec, report, POLICY.idle);
}

const isRescued = ({ records }: World, id: string) => records.observed.valueFor(id)?.rescue?.runId != null;

/** The declaration in force: the last valid one, as long as there is a file. */
function wanted({ records }: World, id: string): Desired | null {
  const read = records.desired.peek(id);
  if (read.kind === 'absent') return null;
  const valid = read.kind === 'valid' && read.value.metadata.id === id ? read.value : null;
  const allowed = valid !== null && imageProblem(valid, POLICY.allowedImages) === null;
  return allowed ? valid : (records.observed.valueFor(id)?.declared ?? null);
}

function shallRun(world: World, id: string): boolean {
  const desired = wanted(world, id);
  const record = world.records.observed.valueFor(id);
  if (desired === null || desired.spec.state === 'stopped') return false;
  if (desired.metadata.deletionRequestedAt !== undefined) return false;
  return record?.halt?.generation !== generationOf(desired);
}

const partsOf = ({ swarm }: World, id: string) => {
  const ours = <T extends { workspaceId: string }>(items: Iterable<T>) =>
    [...items].filter((item) => item.workspaceId === id);
  return {
    services: ours(swarm.services.values()),
    networks: ours(swarm.networks.values()),
    running: ours(swarm.tasks.values()).filter(isAlive),
    volumes: [...swarm.volumes].filter(([, owner]) => owner === id).map(([name]) => name),
  };
};

function problemOfRunning(world: World, id: string): string | null {
  const { services, networks, running } = partsOf(world, id);
  const phase = world.records.observed.valueFor(id)?.phase;
  const desired = wanted(world, id);
  if (phase !== 'running') return `shall run, and is ${phase ?? 'not on record'}`;
  if (services.length !== 1 || running.length !== 1) return 'is said to run, and does not';
  if (desired === null || services[0]?.generation !== generationOf(desired))
    return 'runs as it was declared before';
  if (networks.length !== 1) return `has ${networks.length} networks`;
  const attached = world.swarm.gateway?.networkIds.has(networks[0]?.id ?? '') === true;
  return attached ? null : 'the gateway does not reach it';
}

function problemOfStopped(world: World, id: string): string | null {
  const { services, networks } = partsOf(world, id);
  const phase = world.records.observed.valueFor(id)?.phase ?? 'stopped';
  if (services.length > 0) return 'shall not run, and has a service';
  if (networks.length > 0) return 'shall not run, and has a network';
  return phase === 'stopped' ? null : `shall not run, and is ${phase}`;
}

function isTaken({ setting, agents }: World, { runTarget }: Observed): boolean {
  const others = [...agents.values()].map(({ request }) => request.target);
  return (
    setting.conditions.kind !== 'kept' &&
    runTarget !== null &&
    others.some((target) => overlap(target, runTarget))
  );
}

/** Volumes of earlier declarations may be kept; those of the last run were saved in the end. */
function problemOfVolumes(world: World, id: string): string | null {
  const { volumes } = partsOf(world, id);
  const record = world.records.observed.valueFor(id);
  // A rescue waits as long as another one writes to the place.
  if (record?.phase !== 'stopped' || isTaken(world, record)) return null;
  const left = record.runVolumes.filter((name) => volumes.includes(name));
  if (record.runId !== null && left.length > 0) return `${left.join(', ')} were never saved`;
  const told = volumes.every((name) => record.message.includes(name));
  return told ? null : 'nobody is told of its kept volumes';
}
