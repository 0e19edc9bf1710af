import type http from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import { Catalogue } from '../../../controller/adapters/discovery/catalogue.js';
import { createDiscoveryServer } from '../../../controller/adapters/discovery/server.js';
import type { RawSweep } from '../../../controller/adapters/docker/sweep.js';

const task = (ID: string, ServiceID: string, DesiredState = 'running') => ({
  ID,
  ServiceID,
  DesiredState,
  Version: { Index: 1 },
  CreatedAt: '',
  Status: { State: 'running' },
});

const SWEEP = {
  services: [
    {
      ID: 's1',
      Version: { Index: 1 },
      Spec: {
        Name: 'n',
        Labels: { a: 'b' },
        Mode: { Replicated: { Replicas: 1 } },
        EndpointSpec: { Mode: 'dnsrr' },
        TaskTemplate: { ContainerSpec: { Env: ['AWS_SECRET_ACCESS_KEY=canary'] } },
      },
      Endpoint: { Spec: { Mode: 'dnsrr' } },
    },
  ],
  tasks: [task('t1', 's1'), task('t2', 's1', 'shutdown'), task('t3', 's2')],
  networks: [{ Id: 'n1' }],
  nodes: [{ ID: 'node1' }],
} as unknown as RawSweep;

describe('Discovery endpoint', () => {
  let catalogue: Catalogue;
  let server: http.Server;
  let base: string;

  beforeEach(async () => {
    catalogue = new Catalogue();
    server = createDiscoveryServer({ catalogue, holdMs: 5000 });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterEach(() => {
    server.closeAllConnections();
    server.close();
  });

  const get = async (path: string) => (await fetch(base + path)).json() as Promise<unknown>;

  it('negotiates a version', async () => {
    const response = await fetch(`${base}/_ping`, { method: 'HEAD' });
    expect(response.headers.get('api-version')).to.equal('1.41');
  });

  it('says that nothing is known yet, instead of that there is nothing', async () => {
    expect((await fetch(`${base}/v1.41/services`)).status).to.equal(503);
  });

  it('never tells the environment of a service', async () => {
    catalogue.publish(SWEEP);
    expect(await (await fetch(`${base}/v1.41/services`)).text()).not.to.contain('canary');
  });

  it('answers what Traefik asks', async () => {
    catalogue.publish(SWEEP);
    const [service] = (await get('/v1.41/services')) as [{ Spec: object }];
    expect(service).to.deep.include({ ID: 's1', Endpoint: { Spec: { Mode: 'dnsrr' } } });
    expect(service.Spec).to.deep.include({ Labels: { a: 'b' }, EndpointSpec: { Mode: 'dnsrr' } });
    expect(await get('/v1.41/networks?filters={"scope":{"swarm":true}}')).to.deep.equal(SWEEP.networks);
    const filters = encodeURIComponent('{"desired-state":{"running":true},"service":{"s1":true}}');
    expect(await get(`/v1.41/tasks?filters=${filters}`)).to.deep.equal([SWEEP.tasks[0]]);
    expect(await get('/v1.41/nodes/node1')).to.deep.equal({ ID: 'node1' });
    expect((await fetch(`${base}/v1.41/nodes/other`)).status).to.equal(404);
    expect((await fetch(`${base}/v1.41/containers/json`)).status).to.equal(404);
  });

  it('can only be read', async () => {
    const response = await fetch(`${base}/v1.41/services/create`, { method: 'POST' });
    expect(response.status).to.equal(405);
  });

  it('holds a poll until something changed', async () => {
    catalogue.publish(SWEEP);
    await get('/v1.41/version');
    let answered = false;
    const poll = get('/v1.41/version').then(() => (answered = true));
    // The same sweep again is no change.
    catalogue.publish({ ...SWEEP });
    await get('/v1.41/services');
    expect(answered).to.equal(false);
    catalogue.publish({ ...SWEEP, tasks: [] });
    await poll;
    expect(await get('/v1.41/tasks')).to.deep.equal([]);
  });

  it('answers a client that starts anew at once', async () => {
    catalogue.publish(SWEEP);
    await get('/v1.41/version');
    await fetch(`${base}/_ping`);
    await get('/v1.41/version');
  });
});
