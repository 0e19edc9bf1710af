import { TerminalError } from '../../shared/errors.js';
import type { Clock } from '../../shared/clock.js';
import type { Names } from '../../controller/names.js';
import type {
  Cluster,
  ClusterView,
  NetworkRequest,
  NetworkState,
  ServiceRequest,
  ServiceState,
  Target,
  TaskState,
} from '../../controller/ports/cluster.js';
import { NotYetError } from '../../controller/ports/errors.js';
import type { Gateway } from '../../controller/ports/gateway.js';

const RESTART_ATTEMPTS = 3;

interface FakeTask extends TaskState {
  workspaceId: string;
  runId: string;
  target: Target;
  volumes: string[];
  networkId: string;
  /** Gone from the list, as Swarm does after a scale-down, but the container may linger for a moment. */
  reaped: boolean;
}

export interface FakeClusterOptions {
  clock: Clock;
  names: Names;
  images: string[];
  /** From the creation of a service to its running task, in milliseconds. */
  startMs?: number | (() => number);
  /** From SIGTERM to the end of the container: the agent's final sync. */
  stopMs?: number;
  /** Called when a container runs, with its volumes: from now on somebody may write files. */
  onStart?: (request: ServiceRequest, volumes: string[]) => void;
  /**
   * Called when a container gets SIGTERM; a test's agent reports from here.
   *
   * @returns after how many milliseconds the container ends, where it says something else than `stopMs`
   */
  onStop?: (runId: string, volumes: string[]) => number | void;
  /** Called when a container that ran has ended, in whatever way. */
  onEnd?: (runId: string) => void;
}

/**
 * A Swarm in memory with the habits that matter: tasks come and go in their own time, vanish from the
 * list after a scale-down, hold their network and volumes until they end, and names are unique.
 * The contract suite (test/contract) keeps it honest.
 */
export class FakeCluster implements Cluster, Gateway {
  readonly services = new Map<string, ServiceState & { request: ServiceRequest | null }>();
  readonly networks = new Map<string, NetworkState>();
  readonly volumes = new Map<string, string>();
  readonly tasks = new Map<string, FakeTask>();
  /** Every change that was made, to count what was made twice. */
  readonly log: string[] = [];
  gateway: { containerId: string; networkIds: Set<string> } | null = {
    containerId: 'gateway-1',
    networkIds: new Set(),
  };
  down = false;
  private counter = 0;

  constructor(private readonly options: FakeClusterOptions) {}

  async observe(): Promise<ClusterView> {
    this.answerOrFail();
    const listed = [...this.tasks.values()].filter((task) => !task.reaped);
    return {
      services: [...this.services.values()]
        .filter((service) => service.workspaceId !== '')
        .map(({ request: _request, ...service }) => service),
      tasks: listed
        .filter((task) => this.services.has(task.serviceId))
        .map(
          ({ workspaceId: _w, runId: _i, target: _t, volumes: _v, networkId: _n, reaped: _r, ...task }) =>
            task,
        ),
      leavers: listed
        .filter((task) => !this.services.has(task.serviceId))
        .map(({ id, workspaceId, state, target }) => ({ id, workspaceId, state, target })),
      networks: [...this.networks.values()],
      volumes: [...this.volumes].map(([name, workspaceId]) => ({ name, workspaceId })),
      gateway: this.gateway && {
        containerId: this.gateway.containerId,
        networkIds: [...this.gateway.networkIds],
      },
    };
  }

  async createNetwork({ workspaceId }: NetworkRequest): Promise<void> {
    this.answerOrFail();
    const name = this.options.names.network(workspaceId);
    if ([...this.networks.values()].some((network) => network.name === name)) return;
    const id = this.newId('network');
    this.networks.set(id, { id, name, workspaceId, subnet: `10.0.${this.counter}.0/28` });
    this.log.push(`createNetwork ${workspaceId}`);
  }

  async createService(request: ServiceRequest): Promise<void> {
    this.answerOrFail();
    if (!this.options.images.includes(request.image))
      throw new TerminalError(`The image ${request.image} is missing.`);
    const name = this.options.names.service(request.workspaceId);
    const taken = [...this.services.values()].find((service) => service.name === name);
    if (taken !== undefined) {
      if (taken.workspaceId === request.workspaceId) return;
      throw new Error(`name conflict: ${name}`);
    }
    const id = this.newId('service');
    const { workspaceId, runId, generation } = request;
    const volumes = Object.values(request.volumes);
    const { target } = request;
    this.services.set(id, {
      id,
      name,
      workspaceId,
      runId,
      generation,
      replicas: 1,
      volumes,
      target,
      declaration: request.declaration,
      request,
    });
    this.log.push(`createService ${workspaceId}`);
    this.startTask(id, request);
  }

  /** A service of somebody else that happens to have a name of ours. */
  addStranger(workspaceId: string): void {
    const id = this.newId('service');
    const name = this.options.names.service(workspaceId);
    this.services.set(id, {
      id,
      name,
      workspaceId: '',
      runId: '',
      generation: '',
      replicas: 1,
      volumes: [],
      target: { bucket: '', prefix: '' },
      declaration: null,
      request: null,
    });
  }

  async scaleToZero(serviceId: string): Promise<void> {
    this.answerOrFail();
    const service = this.services.get(serviceId);
    if (service === undefined || service.replicas === 0) return;
    service.replicas = 0;
    this.log.push(`scaleToZero ${service.workspaceId}`);
    for (const task of this.tasksOf(serviceId)) this.endTask(task);
  }

  async removeService(serviceId: string): Promise<void> {
    this.answerOrFail();
    const service = this.services.get(serviceId);
    if (service === undefined) return;
    this.services.delete(serviceId);
    this.log.push(`removeService ${service.workspaceId}`);
    for (const task of this.tasksOf(serviceId)) this.endTask(task);
  }

  async removeNetwork(networkId: string): Promise<void> {
    this.answerOrFail();
    const held = [...this.tasks.values()].some((task) => task.networkId === networkId);
    if (held || this.gateway?.networkIds.has(networkId))
      throw new NotYetError(`network ${networkId} is still in use`);
    this.networks.delete(networkId);
  }

  async removeVolume(name: string): Promise<void> {
    this.answerOrFail();
    if ([...this.tasks.values()].some((task) => task.volumes.includes(name)))
      throw new NotYetError(`volume ${name} is still in use`);
    if (this.volumes.delete(name)) this.log.push(`removeVolume ${name}`);
  }

  async attach({ id: networkId }: NetworkState, containerId: string): Promise<void> {
    this.answerOrFail();
    if (this.gateway?.containerId !== containerId) throw new Error('no such container');
    const onNode = [...this.tasks.values()].some(
      (task) => task.networkId === networkId && task.state === 'running',
    );
    if (!onNode && !this.gateway.networkIds.has(networkId))
      throw new NotYetError(`network ${networkId} not found`);
    this.gateway.networkIds.add(networkId);
  }

  async detach(networkId: string, containerId: string): Promise<void> {
    this.answerOrFail();
    if (this.gateway?.containerId === containerId) this.gateway.networkIds.delete(networkId);
  }

  watch(): void {
    // Hints may all be lost; whoever relies on them fails with this fake.
  }

  async version(): Promise<string> {
    this.answerOrFail();
    return 'fake';
  }

  /** The container's process ends with a failure. */
  crash(workspaceId: string, { outOfMemory = false } = {}): void {
    const service = [...this.services.values()].find((item) => item.workspaceId === workspaceId);
    const task = this.tasksOf(service?.id ?? '').find((item) => item.state === 'running');
    if (task === undefined) throw new Error(`nothing of ${workspaceId} runs`);
    task.error = 'task: non-zero exit (1)';
    task.outOfMemory = outOfMemory;
    this.ended(task, 'failed');
  }

  /** The container's process ends in order, by itself. */
  complete(workspaceId: string): void {
    const task = this.runningTask(workspaceId);
    if (task !== undefined) this.ended(task, 'complete');
  }

  /** Somebody else has the container end in order (`docker stop`, a reboot). */
  stopContainer(workspaceId: string): void {
    const task = this.runningTask(workspaceId);
    if (task === undefined) return;
    const { onStop, stopMs = 500 } = this.options;
    this.options.clock.after(onStop?.(task.runId, task.volumes) ?? stopMs, () => {
      if (task.state === 'running') this.ended(task, 'complete');
    });
  }

  private runningTask(workspaceId: string): FakeTask | undefined {
    return [...this.tasks.values()].find(
      (item) => item.workspaceId === workspaceId && item.state === 'running',
    );
  }

  /** Swarm starts it again, however it ended, until its attempts are used up. */
  private ended(task: FakeTask, state: 'failed' | 'complete'): void {
    task.state = state;
    this.options.onEnd?.(task.runId);
    task.volumes = [];
    const service = this.services.get(task.serviceId);
    // A service that is scaled down, or gone, is not started again; its task goes.
    if (service === undefined || service.replicas === 0) {
      this.tasks.delete(task.id);
      return;
    }
    task.desiredState = 'shutdown';
    // A rescue is not started again by the engine.
    if (service.request?.mode !== 'workspace') return;
    const ended = this.tasksOf(service.id).filter((item) => item.desiredState === 'shutdown').length;
    if (ended <= RESTART_ATTEMPTS) this.startTask(service.id, service.request);
  }

  private startTask(serviceId: string, request: ServiceRequest): void {
    const volumes = [request.volumes.workspace, request.volumes.home];
    const task: FakeTask = {
      id: this.newId('task'),
      serviceId,
      nodeId: 'node-1',
      state: 'preparing',
      desiredState: 'running',
      error: '',
      outOfMemory: false,
      containerId: null,
      createdAt: this.options.clock.now().toISOString() + String(this.counter).padStart(6, '0'),
      workspaceId: request.workspaceId,
      runId: request.runId,
      target: request.target,
      volumes,
      networkId: request.network.id,
      reaped: false,
    };
    this.tasks.set(task.id, task);
    const { startMs = 1000 } = this.options;
    this.options.clock.after(typeof startMs === 'number' ? startMs : startMs(), () => {
      if (task.desiredState !== 'running' || task.state !== 'preparing') return;
      task.state = 'running';
      task.containerId = `container-of-${task.id}`;
      for (const name of volumes) this.volumes.set(name, request.workspaceId);
      this.options.onStart?.(request, volumes);
    });
  }

  private endTask(task: FakeTask): void {
    const { runId } = task;
    // It is being stopped already.
    if (task.desiredState === 'remove') return;
    task.desiredState = 'remove';
    const end = () => {
      if (task.state === 'running') this.options.onEnd?.(runId);
      task.reaped = true;
      // The container goes a moment after its task: networks and volumes are held until then.
      this.options.clock.after(100, () => this.tasks.delete(task.id));
    };
    if (task.state !== 'running') return end();
    const { onStop, stopMs = 500 } = this.options;
    this.options.clock.after(onStop?.(runId, task.volumes) ?? stopMs, end);
  }

  private tasksOf(serviceId: string): FakeTask[] {
    return [...this.tasks.values()].filter((task) => task.serviceId === serviceId);
  }

  private answerOrFail(): void {
    if (this.down) throw new Error('connect ECONNREFUSED /var/run/docker.sock');
  }

  private newId(kind: string): string {
    this.counter += 1;
    return `${kind}-${this.counter}`;
  }
}
