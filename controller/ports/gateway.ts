import type { NetworkState } from './cluster.js';

/** The way from the internet into the workspaces' networks. */
export interface Gateway {
  /**
   * Attaches the gateway's container to a workspace's network; attached already is fine.
   *
   * @throws NotYetError while the gateway's node does not have the network yet
   */
  attach(network: NetworkState, containerId: string): Promise<void>;
  /** Detaches it; not attached, or gone, is fine. */
  detach(networkId: string, containerId: string): Promise<void>;
}
