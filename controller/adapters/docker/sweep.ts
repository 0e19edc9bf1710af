import type Docker from 'dockerode';
import type {
  ClusterView,
  GatewayState,
  LeaverState,
  NetworkState,
  ServiceState,
  TaskState,
} from '../../ports/cluster.js';
import { LABELS } from '../../names.js';
import type { ContainerEnds } from './container-ends.js';

/** The engine's own answers of one sweep; the discovery endpoint hands them on. */
export interface RawSweep {
  services: RawService[];
  tasks: RawTask[];
  networks: Docker.NetworkInspectInfo[];
  nodes: RawNode[];
}

/** dockerode's types are silent on these; the fields are those of the Engine API v1.41. */
export interface RawTask {
  ID: string;
  Version: { Index: number };
  CreatedAt: string;
  ServiceID: string;
  NodeID?: string;
  DesiredState: string;
  Spec: { ContainerSpec?: { Labels?: Record<string, string> } };
  Status: { State: string; Message?: string; Err?: string; ContainerStatus?: { ContainerID?: string } };
}

export interface RawNode {
  ID: string;
}

export interface RawService {
  ID: string;
  Version: { Index: number };
  Spec: {
    Name: string;
    Labels: Record<string, string>;
    Mode: { Replicated?: { Replicas?: number } };
    EndpointSpec?: unknown;
    TaskTemplate: { ContainerSpec?: { Mounts?: { Type: string; Source?: string }[] } };
  };
  Endpoint?: unknown;
}

/**
 * Lists everything of one Berth in six calls side by side. One that fails fails the sweep.
 *
 * @param ends - knows how containers ended
 */
export async function sweep(
  docker: Docker,
  stack: string,
  ends: ContainerEnds,
): Promise<{ view: ClusterView; raw: RawSweep }> {
  const filters = { label: [`${LABELS.stack}=${stack}`] };
  const [services, tasks, networks, volumes, nodes, gateways] = await Promise.all([
    docker.listServices({ filters }) as unknown as Promise<RawService[]>,
    // Tasks are found by their service's labels, also when it is gone.
    docker.listTasks({ filters }) as Promise<RawTask[]>,
    docker.listNetworks({ filters }),
    docker.listVolumes({ filters }),
    docker.listNodes() as Promise<RawNode[]>,
    docker.listContainers({
      filters: { label: [`com.docker.swarm.service.name=${stack}_gateway`], status: ['running'] },
    }),
  ]);
  const ofWorkspace = services.filter((service) => service.Spec.Labels[LABELS.workspace] !== undefined);
  const serviceIds = new Set(ofWorkspace.map((service) => service.ID));
  const tasksOfWorkspaces = tasks.filter((task) => serviceIds.has(task.ServiceID));
  const outOfMemory = await ends.outOfMemory(tasksOfWorkspaces);
  return {
    view: {
      services: ofWorkspace.map(serviceState),
      tasks: tasksOfWorkspaces.map((task) => taskState(task, outOfMemory.has(task.ID))),
      leavers: tasks.filter((task) => !serviceIds.has(task.ServiceID)).flatMap(leaverState),
      networks: networks.flatMap(networkState),
      volumes: volumes.Volumes.flatMap(({ Name, Labels }) => {
        const workspaceId = Labels?.[LABELS.workspace];
        return workspaceId === undefined ? [] : [{ name: Name, workspaceId }];
      }),
      gateway: gatewayState(gateways),
    },
    raw: { services: ofWorkspace, tasks: tasksOfWorkspaces, networks, nodes },
  };
}

function serviceState(service: RawService): ServiceState {
  const labels = service.Spec.Labels;
  return {
    id: service.ID,
    name: service.Spec.Name,
    workspaceId: labels[LABELS.workspace] ?? '',
    runId: labels[LABELS.run] ?? '',
    generation: labels[LABELS.generation] ?? '',
    replicas: service.Spec.Mode.Replicated?.Replicas ?? 0,
    volumes: (service.Spec.TaskTemplate.ContainerSpec?.Mounts ?? []).flatMap(({ Type, Source }) =>
      Type === 'volume' && Source !== undefined ? [Source] : [],
    ),
    target: { bucket: labels[LABELS.bucket] ?? '', prefix: labels[LABELS.prefix] ?? '' },
    declaration: labels[LABELS.declaration] ?? null,
  };
}

function taskState(task: RawTask, outOfMemory: boolean): TaskState {
  return {
    id: task.ID,
    serviceId: task.ServiceID,
    nodeId: task.NodeID ?? null,
    state: task.Status.State,
    desiredState: task.DesiredState,
    error: task.Status.Err ?? '',
    outOfMemory,
    containerId: task.Status.ContainerStatus?.ContainerID ?? null,
    createdAt: task.CreatedAt,
  };
}

/** Only its container's labels are left to say whose it is. */
function leaverState({ ID, Spec, Status }: RawTask): LeaverState[] {
  const labels = Spec.ContainerSpec?.Labels ?? {};
  const workspaceId = labels[LABELS.workspace];
  if (workspaceId === undefined) return [];
  const bucket = labels[LABELS.bucket];
  const target = bucket === undefined ? null : { bucket, prefix: labels[LABELS.prefix] ?? '' };
  return [{ id: ID, workspaceId, state: Status.State, target }];
}

function networkState(network: Docker.NetworkInspectInfo): NetworkState[] {
  const workspaceId = network.Labels?.[LABELS.workspace];
  if (workspaceId === undefined) return [];
  const subnet = network.Labels?.[LABELS.subnet] ?? network.IPAM?.Config?.[0]?.Subnet ?? null;
  return [{ id: network.Id, name: network.Name, workspaceId, subnet }];
}

/** Right after the gateway was replaced two containers carry its name; the newest is the one that stays. */
function gatewayState(containers: Docker.ContainerInfo[]): GatewayState | null {
  const [newest] = [...containers].sort((a, b) => b.Created - a.Created);
  if (newest === undefined) return null;
  const networks = Object.values(newest.NetworkSettings?.Networks ?? {});
  return { containerId: newest.Id, networkIds: networks.map((network) => network.NetworkID) };
}
