import type { Observed } from '../../shared/model/observed.js';
import type { ClusterView } from '../ports/cluster.js';
import { liveTasks } from '../plan/tasks.js';
import type { World } from '../plan/types.js';

/** Ids of all workspaces of which anything exists in the cluster. */
export function workspaceIds(view: ClusterView): Set<string> {
  const parts = [view.services, view.leavers, view.networks, view.volumes];
  return new Set(parts.flatMap((items) => items.map((item) => item.workspaceId)));
}

/** One workspace's part of the cluster. */
export function worldOf(id: string, view: ClusterView, observed: Observed | null): World {
  const ours = <T extends { workspaceId: string }>(items: T[]) =>
    items.filter((item) => item.workspaceId === id);
  const service = ours(view.services)[0] ?? null;
  // The record knows which network it uses; the label finds it when the record does not.
  const networks = ours(view.networks);
  const network = networks.find((item) => item.id === observed?.networkId) ?? networks[0] ?? null;
  return {
    service,
    tasks: view.tasks.filter((task) => task.serviceId === service?.id),
    leavers: liveTasks(ours(view.leavers)),
    network,
    volumes: ours(view.volumes)
      .map((volume) => volume.name)
      .sort(),
    gateway: view.gateway && {
      containerId: view.gateway.containerId,
      attached: network !== null && view.gateway.networkIds.includes(network.id),
    },
    routes: null,
    receipt: null,
    rival: null,
    freeBytes: null,
    queued: false,
  };
}
