import type { Clock } from '../../shared/clock.js';
import type { Cluster, ClusterView } from '../ports/cluster.js';

export interface ClusterCacheOptions {
  clock: Clock;
  /** Wait between sweeps while nothing is under way. Swarm sends no events of tasks, so they are listed. */
  idleMs: number;
  /** Wait between sweeps while a workspace starts or stops. */
  busyMs: number;
  /** Workspaces of which something changed since the last sweep. */
  onChange: (ids: string[]) => void;
  onSweep: (error: unknown) => void;
}

/**
 * One sweep of the engine serves everybody: reconciles that need a fresh look, the discovery endpoint,
 * and the finding of what changed. The engine's load does not grow with the number of workspaces.
 */
export class ClusterCache {
  private view: ClusterView | null = null;
  private prints = new Map<string, string>();
  private running: Promise<ClusterView> | null = null;
  private next: Promise<ClusterView> | null = null;
  private cancelTimer: (() => void) | null = null;
  private cancelHint: (() => void) | null = null;
  private lastSweepAt = -Infinity;
  private stopped = false;
  private busy: () => boolean = () => false;

  constructor(
    private readonly cluster: Cluster,
    private readonly options: ClusterCacheOptions,
  ) {}

  /** The last good sweep, or null before the first one. */
  get latest(): ClusterView | null {
    return this.view;
  }

  /** Starts the periodic sweeps; `busy` says whether to look often. */
  start(busy: () => boolean): void {
    this.busy = busy;
    this.schedule(0);
  }

  async stop(): Promise<void> {
    this.stopped = true;
    this.cancelTimer?.();
    this.cancelHint?.();
    await Promise.allSettled([this.running, this.next]);
  }

  /** Something may have changed: look now, but not more often than while busy, however many hints come. */
  hint(): void {
    if (this.stopped || this.cancelHint !== null) return;
    const { clock, busyMs } = this.options;
    const since = clock.elapsedMs() - this.lastSweepAt;
    this.cancelHint = clock.after(Math.max(0, busyMs - since), () => {
      this.cancelHint = null;
      this.fresh().catch(() => undefined);
    });
  }

  /**
   * A view that was begun after this call, so that it shows everything the caller did before. Calls that
   * come while a sweep runs share the next one.
   *
   * @throws when the engine does not answer
   */
  fresh(): Promise<ClusterView> {
    if (this.running === null) return this.sweep();
    this.next ??= this.running.then(
      () => this.sweep(),
      () => this.sweep(),
    );
    return this.next;
  }

  private sweep(): Promise<ClusterView> {
    this.next = null;
    this.lastSweepAt = this.options.clock.elapsedMs();
    const sweep = this.cluster.observe().then(
      (view) => {
        this.running = null;
        this.publish(view);
        return view;
      },
      (error: unknown) => {
        this.running = null;
        this.options.onSweep(error);
        throw error;
      },
    );
    this.running = sweep;
    return sweep;
  }

  private publish(view: ClusterView): void {
    this.view = view;
    this.options.onSweep(null);
    const prints = fingerprints(view);
    const changed = [...new Set([...prints.keys(), ...this.prints.keys()])].filter(
      (id) => prints.get(id) !== this.prints.get(id),
    );
    this.prints = prints;
    if (changed.length > 0) this.options.onChange(changed);
  }

  private schedule(ms: number): void {
    if (this.stopped) return;
    this.cancelTimer = this.options.clock.after(ms, () => {
      const again = () => this.schedule(this.busy() ? this.options.busyMs : this.options.idleMs);
      this.fresh().then(again, again);
    });
  }
}

/** What a reconcile would look at, as one comparable string a workspace. */
function fingerprints(view: ClusterView): Map<string, string> {
  const parts = new Map<string, string[]>();
  const note = (id: string, ...words: (string | number | null)[]) => {
    const list = parts.get(id) ?? [];
    list.push(words.join(' '));
    parts.set(id, list);
  };
  const idOfService = new Map(view.services.map((service) => [service.id, service.workspaceId]));
  for (const service of view.services) note(service.workspaceId, 'service', service.id, service.replicas);
  for (const task of view.tasks) {
    const id = idOfService.get(task.serviceId);
    if (id !== undefined) note(id, 'task', task.id, task.state, task.desiredState);
  }
  for (const leaver of view.leavers) note(leaver.workspaceId, 'leaver', leaver.id, leaver.state);
  for (const network of view.networks) {
    const attached = view.gateway?.networkIds.includes(network.id) ? view.gateway.containerId : 'detached';
    note(network.workspaceId, 'network', network.id, attached);
  }
  for (const volume of view.volumes) note(volume.workspaceId, 'volume', volume.name);
  return new Map([...parts].map(([id, list]) => [id, list.sort().join('\n')]));
}
