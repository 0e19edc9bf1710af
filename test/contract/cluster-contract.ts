import { expect } from 'chai';
import { TerminalError } from '../../shared/errors.js';
import { GIB } from '../../shared/model/desired.js';
import { liveTasks, judgeTasks } from '../../controller/plan/tasks.js';
import type { Cluster, ClusterView, ServiceRequest } from '../../controller/ports/cluster.js';
import { NotYetError } from '../../controller/ports/errors.js';
import type { Gateway } from '../../controller/ports/gateway.js';

/** What a run of the suite needs: an engine, and time that passes. */
export interface ClusterSubject {
  cluster: Cluster;
  gateway: Gateway;
  /** An image whose container keeps running and ends with SIGTERM. */
  image: string;
  /** Lets time pass until `check` holds; fails with `what` after a deadline. */
  eventually: (what: string, check: () => Promise<boolean>) => Promise<void>;
  /** Makes a service of a stranger with the name that the workspace would get. */
  addStranger: (workspaceId: string) => Promise<void>;
  /** Waits until the node that ran a workspace knows that none of its tasks is left. */
  untilNodeForgets: (workspaceId: string) => Promise<void>;
  /** Makes the workspace's process fail each time it is started. */
  crashAlways: (workspaceId: string) => Promise<void>;
}

/** What the controller relies on, whatever the engine (run on the fake and on a real Swarm). */
export function clusterContract(subject: () => ClusterSubject): void {
  let { cluster, gateway, image, eventually } = {} as ClusterSubject;
  before(() => {
    ({ cluster, gateway, image, eventually } = subject());
  });

  const volumes = (id: string) => ({ workspace: `contract-${id}-workspace`, home: `contract-${id}-home` });
  const networkOf = (view: ClusterView, id: string) =>
    view.networks.find((network) => network.workspaceId === id);
  const serviceOf = (view: ClusterView, id: string) =>
    view.services.find((service) => service.workspaceId === id);
  const tasksOf = (view: ClusterView, id: string) => {
    const service = serviceOf(view, id);
    return view.tasks.filter((task) => task.serviceId === service?.id);
  };

  async function requestFor(id: string, change: Partial<ServiceRequest> = {}): Promise<ServiceRequest> {
    await cluster.createNetwork({ workspaceId: id });
    const network = networkOf(await cluster.observe(), id);
    if (network === undefined) throw new Error(`the network of ${id} is not there`);
    return {
      workspaceId: id,
      runId: 'run-1',
      generation: 'generation-1',
      mode: 'workspace',
      target: { bucket: 'bucket', prefix: '' },
      declaration: '{"kind":"Workspace"}',
      image,
      resources: { cpus: 0.5, memoryBytes: GIB / 4 },
      network,
      volumes: volumes(id),
      ...change,
    };
  }

  const running = (id: string) => async () =>
    judgeTasks(tasksOf(await cluster.observe(), id)).kind === 'running';

  async function clear(id: string): Promise<void> {
    const service = serviceOf(await cluster.observe(), id);
    if (service) await cluster.scaleToZero(service.id);
    await eventually('tasks gone', async () => liveTasks(tasksOf(await cluster.observe(), id)).length === 0);
    if (service) await cluster.removeService(service.id);
    const { networks, gateway: container } = await cluster.observe();
    for (const network of networks.filter((item) => item.workspaceId === id)) {
      if (container) await gateway.detach(network.id, container.containerId);
      await eventually('network gone', () => succeeds(cluster.removeNetwork(network.id)));
    }
    for (const name of Object.values(volumes(id))) {
      await eventually('volume gone', () => succeeds(cluster.removeVolume(name)));
    }
  }

  /** Something that is still in use is a reason to wait; any other failure is one. */
  async function succeeds(removal: Promise<void>): Promise<boolean> {
    try {
      await removal;
      return true;
    } catch (error) {
      if (error instanceof NotYetError) return false;
      throw error;
    }
  }

  it('shows nothing where nothing is', async () => {
    const view = await cluster.observe();
    expect(view.services).to.deep.equal([]);
    expect(view.tasks).to.deep.equal([]);
    expect(view.networks).to.deep.equal([]);
    expect(view.volumes).to.deep.equal([]);
    expect(view.gateway).not.to.equal(null);
  });

  it('makes one network a workspace, however often it is asked, and never the same addresses twice', async () => {
    await Promise.all([
      cluster.createNetwork({ workspaceId: 'net-a' }),
      cluster.createNetwork({ workspaceId: 'net-a' }),
      cluster.createNetwork({ workspaceId: 'net-b' }),
    ]);
    await cluster.createNetwork({ workspaceId: 'net-a' });
    const { networks } = await cluster.observe();
    expect(networks.map((network) => network.workspaceId).sort()).to.deep.equal(['net-a', 'net-b']);
    expect(new Set(networks.map((network) => network.subnet)).size).to.equal(2);
    await clear('net-a');
    await clear('net-b');
    expect((await cluster.observe()).networks).to.deep.equal([]);
  });

  it('runs one task with its volumes, adopts it when asked again, and takes it down step by step', async () => {
    const request = await requestFor('life');
    await cluster.createService(request);
    await cluster.createService(request);
    const service = serviceOf(await cluster.observe(), 'life');
    expect(service).to.include({ runId: 'run-1', generation: 'generation-1', replicas: 1 });
    expect(service?.declaration).to.equal(request.declaration);
    await eventually('running', running('life'));
    const view = await cluster.observe();
    expect(liveTasks(tasksOf(view, 'life'))).to.have.length(1);
    expect(view.volumes.map((volume) => volume.name).sort()).to.deep.equal(
      Object.values(volumes('life')).sort(),
    );

    const networkId = request.network.id;
    await rejectsAsNotYet(cluster.removeNetwork(networkId));
    await rejectsAsNotYet(cluster.removeVolume(request.volumes.workspace));

    await cluster.scaleToZero(service?.id ?? '');
    await cluster.scaleToZero(service?.id ?? '');
    expect(serviceOf(await cluster.observe(), 'life')?.replicas).to.equal(0);
    await eventually(
      'tasks gone',
      async () => liveTasks(tasksOf(await cluster.observe(), 'life')).length === 0,
    );
    await cluster.removeService(service?.id ?? '');
    await cluster.removeService(service?.id ?? '');
    await eventually('network gone', () => succeeds(cluster.removeNetwork(networkId)));
    await cluster.removeNetwork(networkId);
    for (const name of Object.values(request.volumes)) {
      await eventually('volume gone', () => succeeds(cluster.removeVolume(name)));
      await cluster.removeVolume(name);
    }
    const after = await cluster.observe();
    expect([...after.services, ...after.networks, ...after.volumes]).to.deep.equal([]);
  });

  it('shows a container whose service somebody removed, with its place, until it has ended', async () => {
    const request = await requestFor('left');
    await cluster.createService(request);
    await eventually('running', running('left'));
    await cluster.removeService(serviceOf(await cluster.observe(), 'left')?.id ?? '');
    const leaversOf = async () =>
      liveTasks((await cluster.observe()).leavers.filter((leaver) => leaver.workspaceId === 'left'));
    const [leaver] = await leaversOf();
    expect(leaver?.target).to.deep.equal(request.target);
    await rejectsAsNotYet(cluster.removeVolume(request.volumes.workspace));
    await eventually('ended', async () => (await leaversOf()).length === 0);
    await clear('left');
  });

  it('attaches the gateway once a task has brought the network to its node, and detaches it, twice as well as once', async () => {
    const request = await requestFor('attach');
    const { network } = request;
    const networkId = network.id;
    const containerId = (await cluster.observe()).gateway?.containerId ?? '';
    await rejectsAsNotYet(gateway.attach(network, containerId));
    await cluster.createService(request);
    await eventually('attached', () => succeeds(gateway.attach(network, containerId)));
    await gateway.attach(network, containerId);
    expect((await cluster.observe()).gateway?.networkIds).to.include(networkId);
    await gateway.detach(networkId, containerId);
    await gateway.detach(networkId, containerId);
    expect((await cluster.observe()).gateway?.networkIds).not.to.include(networkId);
    await clear('attach');
  });

  it('leaves nothing of a network behind that the gateway held for longer than its last task', async () => {
    const request = await requestFor('held');
    const networkId = request.network.id;
    const containerId = (await cluster.observe()).gateway?.containerId ?? '';
    await cluster.createService(request);
    await eventually('attached', () => succeeds(gateway.attach(request.network, containerId)));
    const service = serviceOf(await cluster.observe(), 'held');
    await cluster.scaleToZero(service?.id ?? '');
    await eventually('no task', async () => tasksOf(await cluster.observe(), 'held').length === 0);
    await cluster.removeService(service?.id ?? '');
    await subject().untilNodeForgets('held');
    await gateway.detach(networkId, containerId);
    await eventually('network gone', () => succeeds(cluster.removeNetwork(networkId)));
    await eventually('nothing left', async () => {
      await cluster.removeNetwork(networkId);
      return (await cluster.observe()).networks.length === 0;
    });
    await clear('held');
  });

  it('refuses for good what can never start', async () => {
    const request = await requestFor('no-image', { image: 'berth/there-is-no-such-image' });
    const error = await cluster.createService(request).then(
      () => null,
      (reason: unknown) => reason,
    );
    expect(error).to.be.instanceOf(TerminalError);
    expect((error as Error).message).to.contain('berth/there-is-no-such-image');
    await clear('no-image');
  });

  it("does not take a stranger's service for its own", async () => {
    await subject().addStranger('stranger');
    const request = await requestFor('stranger');
    const refused = await cluster.createService(request).then(
      () => false,
      () => true,
    );
    expect(refused).to.equal(true);
    expect(serviceOf(await cluster.observe(), 'stranger')).to.equal(undefined);
    await clear('stranger');
  });

  it('keeps workspaces apart whose names begin alike', async () => {
    const [one, other] = [await requestFor('twin'), await requestFor('twin-b')];
    await cluster.createService(one);
    await cluster.createService(other);
    await clear('twin');
    expect(serviceOf(await cluster.observe(), 'twin-b')?.replicas).to.equal(1);
    await eventually('running', running('twin-b'));
    await clear('twin-b');
  });

  it('tries a failing process again at most three times, then leaves it ended', async () => {
    await cluster.createService(await requestFor('crash'));
    await subject().crashAlways('crash');
    await eventually(
      'ended',
      async () => judgeTasks(tasksOf(await cluster.observe(), 'crash')).kind === 'ended',
    );
    const verdict = judgeTasks(tasksOf(await cluster.observe(), 'crash'));
    expect(verdict).to.have.property('message').that.contains('non-zero exit');
    expect(tasksOf(await cluster.observe(), 'crash').length).to.be.at.most(4);
    await clear('crash');
  });
}

async function rejectsAsNotYet(removal: Promise<void>): Promise<void> {
  const error = await removal.then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error).to.be.instanceOf(NotYetError);
}
