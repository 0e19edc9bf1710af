import type Docker from 'dockerode';
import { NotYetError } from '../../ports/errors.js';
import type { Gateway } from '../../ports/gateway.js';
import type { NetworkState } from '../../ports/cluster.js';
import { gatewayAddress } from './addresses.js';
import { engineMessage, isNotFound, statusOf } from './engine.js';

/** Attaches Traefik's container to workspaces' networks, at an address that agents know. */
export class DockerGateway implements Gateway {
  constructor(private readonly docker: Docker) {}

  async attach(network: NetworkState, containerId: string): Promise<void> {
    const address = { IPv4Address: gatewayAddress(network) };
    try {
      await this.docker
        .getNetwork(network.id)
        .connect({ Container: containerId, EndpointConfig: { IPAMConfig: address } });
    } catch (error) {
      if (statusOf(error) === 403 && /already exists/.test(engineMessage(error))) return;
      // A task's container can join a network only once the node has it, which the first task on it brings about.
      if (isNotFound(error)) throw new NotYetError(engineMessage(error));
      throw error;
    }
  }

  async detach(networkId: string, containerId: string): Promise<void> {
    try {
      await this.docker.getNetwork(networkId).disconnect({ Container: containerId, Force: true });
    } catch (error) {
      if (isNotFound(error) || /is not connected/.test(engineMessage(error))) return;
      throw error;
    }
  }
}
