import type Docker from 'dockerode';
import { TerminalError } from '../../../shared/errors.js';
import { LABELS, type Names } from '../../names.js';
import type { Cluster, ClusterView, NetworkRequest, ServiceRequest } from '../../ports/cluster.js';
import { NotYetError } from '../../ports/errors.js';
import { ContainerEnds } from './container-ends.js';
import { engineMessage, goneIsFine, isNotFound, statusOf } from './engine.js';
import { watchEvents } from './events.js';
import { serviceSpec } from './service-spec.js';
import { freeSubnet, taskRange } from './addresses.js';
import { sweep, type RawSweep } from './sweep.js';

export interface SwarmClusterSettings {
  names: Names;
  domain: string;
  addressPool: string;
  /** Tag of an image that is named without one. */
  imageTag: string;
  stopGraceSeconds: number;
  /** The environment of the agent that will run. */
  envOf: (request: ServiceRequest) => Promise<Record<string, string>>;
  /** Handed the engine's own answers after each sweep. */
  onSweep: (raw: RawSweep) => void;
}

/** Workspaces as Swarm services, each on an overlay network of its own. */
export class SwarmCluster implements Cluster {
  /** Networks are made one after the other: two must not choose the same addresses. */
  private networks: Promise<unknown> = Promise.resolve();
  private readonly ends: ContainerEnds;

  constructor(
    private readonly docker: Docker,
    private readonly settings: SwarmClusterSettings,
  ) {
    this.ends = new ContainerEnds(docker);
  }

  async observe(): Promise<ClusterView> {
    const { view, raw } = await sweep(this.docker, this.settings.names.stack, this.ends);
    this.settings.onSweep(raw);
    return view;
  }

  createNetwork(request: NetworkRequest): Promise<void> {
    const create = () => this.createNetworkNow(request);
    const created = this.networks.then(create, create);
    this.networks = created.catch(() => undefined);
    return created;
  }

  private async createNetworkNow({ workspaceId }: NetworkRequest): Promise<void> {
    const { names, addressPool } = this.settings;
    const present = await this.docker.listNetworks();
    // A network made a moment ago shows no addresses yet, only our label.
    const used = present.flatMap(({ Labels, IPAM }) =>
      [Labels?.[LABELS.subnet], ...(IPAM?.Config ?? []).map((entry) => entry.Subnet)].flatMap(
        (subnet) => subnet ?? [],
      ),
    );
    const name = names.network(workspaceId);
    const subnet = freeSubnet(addressPool, used.filter(isIpv4));
    try {
      await this.docker.createNetwork({
        Name: name,
        Driver: 'overlay',
        // The gateway's container joins it by hand.
        Attachable: true,
        Labels: {
          [LABELS.stack]: names.stack,
          [LABELS.workspace]: workspaceId,
          [LABELS.subnet]: subnet,
        },
        IPAM: { Driver: 'default', Config: [{ Subnet: subnet, IPRange: taskRange(subnet) }] },
      });
    } catch (error) {
      const existing = present.find((network) => network.Name === name);
      if (statusOf(error) !== 409 || existing?.Labels?.[LABELS.workspace] !== workspaceId) throw error;
    }
  }

  async createService(request: ServiceRequest): Promise<void> {
    const { names, domain, stopGraceSeconds, envOf } = this.settings;
    const name = names.service(request.workspaceId);
    const [imageReference, env] = await Promise.all([this.resolveImage(request.image), envOf(request)]);
    const spec = serviceSpec({
      request,
      name,
      stack: names.stack,
      domain,
      imageReference,
      env,
      stopGraceSeconds,
    });
    try {
      await this.docker.createService(spec);
    } catch (error) {
      if (statusOf(error) === 409 && (await this.isOurs(name, request.workspaceId))) return;
      // 400 is the engine's word for a specification that it will never accept.
      if (statusOf(error) === 400) throw new TerminalError(engineMessage(error), { cause: error });
      if (!isNotFound(error)) throw error;
      // What is listed is the node's copy of a network that Swarm has given up.
      await this.removeNodesCopy(request.network.id);
      throw new NotYetError(engineMessage(error));
    }
  }

  async scaleToZero(serviceId: string): Promise<void> {
    const service = this.docker.getService(serviceId);
    // Somebody may change it between the two calls: "update out of sequence" is read and tried again.
    for (let attempt = 1; ; attempt++) {
      try {
        const { Version, Spec } = (await service.inspect()) as { Version: { Index: number }; Spec: object };
        await service.update({ ...Spec, version: Version.Index, Mode: { Replicated: { Replicas: 0 } } });
        return;
      } catch (error) {
        if (isNotFound(error)) return;
        if (attempt === 3 || !engineMessage(error).includes('out of sequence')) throw error;
      }
    }
  }

  removeService(serviceId: string): Promise<void> {
    return goneIsFine(this.docker.getService(serviceId).remove());
  }

  async removeNetwork(networkId: string): Promise<void> {
    try {
      await this.docker.getNetwork(networkId).remove();
    } catch (error) {
      if (isNotFound(error)) return this.removeNodesCopy(networkId);
      // The engine refuses with various codes while a container or task still holds it.
      const message = engineMessage(error);
      if (!/active endpoints|in use/.test(message)) throw error;
      if (message.includes('active endpoints')) await this.releaseEndpoints(networkId);
      throw new NotYetError(message);
    }
  }

  /**
   * Swarm knows the network no longer, but its node may: where the gateway was still attached when the
   * last task ended, the engine fails to remove its own copy, does not try again, goes on to list it, and
   * answers "not found" to whoever wants it removed. Only a prune still reaches it, once nothing is on it.
   */
  private async removeNodesCopy(networkId: string): Promise<void> {
    const network = this.docker.getNetwork(networkId);
    try {
      const { Labels = {} } = (await network.inspect()) as { Labels?: Record<string, string> };
      const label = Object.entries(Labels).map(([name, value]) => `${name}=${value}`);
      if (Labels[LABELS.workspace] === undefined) return;
      await this.releaseEndpoints(networkId);
      await this.docker.pruneNetworks({ filters: { label } });
      await network.inspect();
    } catch (error) {
      if (isNotFound(error)) return;
      throw error;
    }
    throw new NotYetError(`the node still has its copy of network ${networkId}`);
  }

  /**
   * Swarm has given the network up, this engine has not: a container that died badly may have left its
   * endpoint, which only its name reaches, or an earlier gateway's is still there.
   */
  private async releaseEndpoints(networkId: string): Promise<void> {
    const network = this.docker.getNetwork(networkId);
    const { Containers } = (await network.inspect()) as { Containers?: Record<string, { Name: string }> };
    // What cannot be released now is tried again with the network.
    await Promise.allSettled(
      Object.values(Containers ?? {}).map(({ Name }) => network.disconnect({ Container: Name, Force: true })),
    );
  }

  async removeVolume(name: string): Promise<void> {
    try {
      await goneIsFine(this.docker.getVolume(name).remove());
    } catch (error) {
      if (statusOf(error) === 409) throw new NotYetError(`volume ${name} is still in use`);
      throw error;
    }
  }

  watch(hint: () => void, signal: AbortSignal): void {
    watchEvents(this.docker, hint, signal);
  }

  async version(): Promise<string> {
    return (await this.docker.version()).Version;
  }

  private async isOurs(name: string, workspaceId: string): Promise<boolean> {
    const { Spec } = (await this.docker.getService(name).inspect()) as {
      Spec: { Labels?: Record<string, string> };
    };
    return Spec.Labels?.[LABELS.workspace] === workspaceId;
  }

  /** A reference that needs no registry: the digest of a pulled image, the id of one built here. */
  private async resolveImage(image: string): Promise<string> {
    const named = /:[^/]+$/.test(image) ? image : `${image}:${this.settings.imageTag}`;
    try {
      const { Id, RepoDigests } = await this.docker.getImage(named).inspect();
      return RepoDigests?.[0] ?? Id;
    } catch (error) {
      if (!isNotFound(error)) throw error;
      throw new TerminalError(
        `The image ${named} is not on this machine; \`make images\` builds those of Berth, \`docker pull\` or \`docker load\` brings others.`,
      );
    }
  }
}

const isIpv4 = (subnet: string) => subnet.includes('.');
