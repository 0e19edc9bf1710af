import { desiredSchema, generationOf, type Desired } from '../../shared/model/desired.js';
import type { Observed } from '../../shared/model/observed.js';
import type { StoredReport } from '../../shared/model/report.js';
import { urlsOf } from '../../shared/model/urls.js';
import { namesOf } from '../../controller/names.js';
import type { PlanInput, Policy, World } from '../../controller/plan/types.js';
import type { TaskState } from '../../controller/ports/cluster.js';
import { QUIET_SYNC } from './quiet-sync.js';

export const NOW = new Date('2026-01-01T12:00:00.000Z');
export const ID = 'demo';
export const names = namesOf('berth');

export const POLICY: Policy = {
  allowedImages: ['berth/workspace'],
  startDeadlineMs: 300_000,
  stopDeadlineMs: 600_000,
  idle: { idle: '10m', signals: ['files'] },
  maxAge: undefined,
  archiveAfterMs: 86_400_000,
  healthIntervalMs: 30_000,
  memoryLimitPercent: 90,
};

/** A declaration as the API would write it, with changes. */
export function declare(
  spec: Partial<Desired['spec']> = {},
  metadata: Partial<Desired['metadata']> = {},
): Desired {
  return desiredSchema.parse({
    apiVersion: 'berth/v1',
    kind: 'Workspace',
    metadata: { id: ID, uid: 'uid-1', createdAt: NOW.toISOString(), ...metadata },
    spec: { bucket: 'demo', ...spec },
  });
}

export const EMPTY_WORLD: World = {
  service: null,
  tasks: [],
  leavers: [],
  network: null,
  volumes: [],
  gateway: { containerId: 'gateway', attached: false },
  routes: null,
  receipt: null,
  rival: null,
  freeBytes: null,
  queued: false,
};

export function task(change: Partial<TaskState> = {}): TaskState {
  return {
    id: 'task-1',
    serviceId: 'service-1',
    nodeId: 'node-1',
    state: 'running',
    desiredState: 'running',
    error: '',
    outOfMemory: false,
    containerId: 'container-1',
    createdAt: '2026-01-01T11:59:00.000Z',
    ...change,
  };
}

/** A world in which everything of the declaration exists and answers. */
export function fullWorld(desired: Desired, change: Partial<World> = {}): World {
  return {
    service: {
      id: 'service-1',
      name: 'berth-ws-demo',
      workspaceId: ID,
      runId: 'run-1',
      generation: generationOf(desired),
      replicas: 1,
      volumes: Object.values(names.volumes(desired)),
      target: { bucket: desired.spec.bucket, prefix: desired.spec.prefix },
      declaration: JSON.stringify(desired),
    },
    tasks: [task()],
    leavers: [],
    network: { id: 'network-1', name: 'berth-ws-demo', workspaceId: ID, subnet: '10.201.1.0/28' },
    volumes: Object.values(names.volumes(desired)),
    gateway: { containerId: 'gateway', attached: true },
    routes: { vnc: null, code: null, web: null },
    receipt: { kind: 'verified' },
    rival: null,
    freeBytes: null,
    queued: false,
    ...change,
  };
}

export function inputOf(desired: Desired | null, world: World, change: Partial<PlanInput> = {}): PlanInput {
  return {
    id: ID,
    declaration: desired === null ? { kind: 'absent' } : { kind: 'valid', desired },
    observed: null,
    world,
    report: null,
    urls: urlsOf(ID, 'berth.localhost', 443),
    volumesOf: names.volumes,
    nextRunId: 'run-2',
    now: NOW,
    policy: POLICY,
    ...change,
  };
}

/** What an agent of `run-1` reports. */
export function reportOf(state: StoredReport['state'], change: Partial<StoredReport> = {}): StoredReport {
  return {
    runId: 'run-1',
    state,
    receivedAt: NOW.toISOString(),
    lastActivityAt: null,
    activity: [],
    oomKills: 0,
    sync: { ...QUIET_SYNC, files: 1, bytes: 1 },
    ...change,
  };
}

export const saved = {
  ok: true,
  at: NOW.toISOString(),
  files: 1,
  bytes: 1,
  failed: 0,
  receipt: 'f'.repeat(64),
};

export const conditionOf = (observed: Observed | null, type: string) =>
  observed?.conditions.find((condition) => condition.type === type);
