import type { Resources } from '../../shared/model/desired.js';

export interface TaskState {
  id: string;
  serviceId: string;
  nodeId: string | null;
  /** Swarm's word for what the task is: `running`, `failed`, … */
  state: string;
  /** What Swarm wants it to be: `running`, `shutdown`, `remove`, … */
  desiredState: string;
  /** Why it waits or failed; empty when there is nothing to say. */
  error: string;
  /** It failed, and its container had run into its memory limit. */
  outOfMemory: boolean;
  containerId: string | null;
  createdAt: string;
}

/**
 * The task of a service that is gone: whoever removes a service (`docker service rm`) takes nothing from its
 * container, which goes on writing until its final sync is over.
 */
export interface LeaverState {
  id: string;
  workspaceId: string;
  /** Swarm's word for what the task is. */
  state: string;
  /** Where its files belong; null: its container does not say. */
  target: Target | null;
}

/** A place in S3. */
export interface Target {
  bucket: string;
  prefix: string;
}

export interface ServiceState {
  id: string;
  name: string;
  workspaceId: string;
  /** Identifies one start-to-stop life (service label `berth.run`). */
  runId: string;
  /** The declaration it was made for (service label `berth.generation`). */
  generation: string;
  replicas: number;
  /** Names of the volumes that its container mounts. */
  volumes: string[];
  /** Where their files belong. */
  target: Target;
  /** What it was declared with, as JSON (service label `berth.declaration`); null: it does not say. */
  declaration: string | null;
}

export interface NetworkState {
  id: string;
  name: string;
  workspaceId: string;
  /** CIDR; null when the engine tells none. */
  subnet: string | null;
}

export interface VolumeState {
  name: string;
  workspaceId: string;
}

/** The container of the gateway that runs now, and the networks that it is attached to. */
export interface GatewayState {
  containerId: string;
  networkIds: string[];
}

/** All that carries this Berth's label, seen in one sweep. A sweep that fails throws; it is never empty. */
export interface ClusterView {
  services: ServiceState[];
  /** Those of the services. */
  tasks: TaskState[];
  leavers: LeaverState[];
  networks: NetworkState[];
  volumes: VolumeState[];
  gateway: GatewayState | null;
}

export interface NetworkRequest {
  workspaceId: string;
}

export interface ServiceRequest {
  workspaceId: string;
  runId: string;
  generation: string;
  /** `rescue` runs the agent alone, to its own end. */
  mode: 'workspace' | 'rescue';
  target: Target;
  /** As JSON. */
  declaration: string;
  image: string;
  resources: Resources;
  network: NetworkState;
  /** Volume names for `/workspace` and `/home`. */
  volumes: { workspace: string; home: string };
}

/**
 * The engine that runs workspaces. Every change is idempotent: what is there already is adopted when it
 * carries our label, what is gone already is fine.
 */
export interface Cluster {
  /** @throws when the engine does not answer all of it */
  observe(): Promise<ClusterView>;
  createNetwork(request: NetworkRequest): Promise<void>;
  /** @throws TerminalError when it can never start so, for example without the image */
  createService(request: ServiceRequest): Promise<void>;
  /** Asks the one container to stop: SIGTERM, then the agent's final sync. */
  scaleToZero(serviceId: string): Promise<void>;
  removeService(serviceId: string): Promise<void>;
  /** @throws NotYetError while containers wind down */
  removeNetwork(networkId: string): Promise<void>;
  /** @throws NotYetError while a container holds it */
  removeVolume(name: string): Promise<void>;
  /** Calls `hint` whenever something may have changed; hints get lost. Ends with the signal. */
  watch(hint: () => void, signal: AbortSignal): void;
  /** Engine version, in the engine's words. @throws when the engine does not answer */
  version(): Promise<string>;
}
