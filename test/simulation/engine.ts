import type {
  Cluster,
  ClusterView,
  NetworkRequest,
  NetworkState,
  ServiceRequest,
} from '../../controller/ports/cluster.js';
import type { Gateway } from '../../controller/ports/gateway.js';
import type { FakeCluster } from '../fakes/cluster.js';
import type { Random } from './random.js';

/** How the engine does: `flaky` fails now and then, also after it has done what it was asked for. */
export type EngineMode = 'up' | 'slow' | 'flaky' | 'down';

/** A change that the engine has made because the controller asked for it. */
export type Change =
  | { type: 'createService'; request: ServiceRequest }
  | { type: 'scaleToZero'; workspaceId: string; runId: string; generation: string }
  | { type: 'removeService'; workspaceId: string }
  | { type: 'removeVolume'; workspaceId: string; name: string };

/** The fake Swarm with its bad days, which tells of every change that took effect. */
export class Engine implements Cluster, Gateway {
  mode: EngineMode = 'up';
  private readonly hints = new Set<() => void>();

  constructor(
    readonly swarm: FakeCluster,
    private readonly random: Random,
    private readonly onChange: (change: Change) => void,
    private readonly hintArrives: () => boolean,
  ) {}

  observe(): Promise<ClusterView> {
    return this.answer(() => this.swarm.observe());
  }

  createNetwork(request: NetworkRequest): Promise<void> {
    return this.change(() => this.swarm.createNetwork(request));
  }

  createService(request: ServiceRequest): Promise<void> {
    return this.change(() => this.swarm.createService(request), { type: 'createService', request });
  }

  scaleToZero(serviceId: string): Promise<void> {
    const { workspaceId = '', runId = '', generation = '' } = this.swarm.services.get(serviceId) ?? {};
    const change = { type: 'scaleToZero', workspaceId, runId, generation } as const;
    return this.change(() => this.swarm.scaleToZero(serviceId), change);
  }

  removeService(serviceId: string): Promise<void> {
    const { workspaceId = '' } = this.swarm.services.get(serviceId) ?? {};
    return this.change(() => this.swarm.removeService(serviceId), { type: 'removeService', workspaceId });
  }

  removeNetwork(networkId: string): Promise<void> {
    return this.change(() => this.swarm.removeNetwork(networkId));
  }

  removeVolume(name: string): Promise<void> {
    const workspaceId = this.swarm.volumes.get(name) ?? '';
    return this.change(() => this.swarm.removeVolume(name), { type: 'removeVolume', workspaceId, name });
  }

  attach(network: NetworkState, containerId: string): Promise<void> {
    return this.change(() => this.swarm.attach(network, containerId));
  }

  detach(networkId: string, containerId: string): Promise<void> {
    return this.change(() => this.swarm.detach(networkId, containerId));
  }

  version(): Promise<string> {
    return this.answer(() => this.swarm.version());
  }

  watch(hint: () => void): void {
    this.hints.add(hint);
  }

  forgetWatchers(): void {
    this.hints.clear();
  }

  /** Something happened in the engine. */
  stir(): void {
    if (this.mode !== 'down' && this.hintArrives()) for (const hint of [...this.hints]) hint();
  }

  private async answer<T>(ask: () => Promise<T>): Promise<T> {
    if (this.mode === 'down') throw new Error('sim: the engine is down');
    if (this.mode === 'flaky' && this.random.chance(0.25)) throw new Error('sim: the engine refused');
    const answer = await ask();
    if (this.mode === 'flaky' && this.random.chance(0.2)) throw new Error('sim: the answer got lost');
    return answer;
  }

  private change(act: () => Promise<void>, change?: Change): Promise<void> {
    return this.answer(async () => {
      const { log } = this.swarm;
      const before = log.length;
      // The fake acts before it returns, so what it logged meanwhile is what was done here.
      const done = act();
      if (log.length > before) {
        if (change !== undefined) this.onChange(change);
        this.stir();
      }
      await done;
    });
  }
}
