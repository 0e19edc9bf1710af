import { expect } from 'chai';
import { freeSubnet, gatewayAddress, taskRange } from '../../../controller/adapters/docker/addresses.js';
import { guarded, routeLabels } from '../../../controller/adapters/docker/routes.js';
import { serviceSpec } from '../../../controller/adapters/docker/service-spec.js';
import { GIB } from '../../../shared/model/desired.js';

describe('freeSubnet', () => {
  const POOL = '10.201.0.0/16';

  it('leaves the first /24 to the control network', () => {
    expect(freeSubnet(POOL, [])).to.equal('10.201.1.0/28');
  });

  it('skips what is in use, whatever its size', () => {
    expect(freeSubnet(POOL, ['10.201.1.0/28', '172.17.0.0/16'])).to.equal('10.201.1.16/28');
    expect(freeSubnet(POOL, ['10.201.0.0/17'])).to.equal('10.201.128.0/28');
    expect(freeSubnet(POOL, ['10.201.1.20/32'])).to.equal('10.201.1.0/28');
  });

  it('says so when the pool is used up', () => {
    expect(() => freeSubnet('10.201.0.0/23', ['10.201.1.0/24'])).to.throw('BERTH_ADDRESS_POOL');
  });
});

describe('addresses in a network', () => {
  it('keeps the last one for the gateway, out of the range of the tasks', () => {
    const subnet = '10.201.1.16/28';
    expect(taskRange(subnet)).to.equal('10.201.1.16/29');
    expect(gatewayAddress({ name: 'n', subnet })).to.equal('10.201.1.30');
  });

  it('are not made up for a network without a subnet', () => {
    expect(() => gatewayAddress({ name: 'n', subnet: null })).to.throw('network n has no subnet');
  });
});

describe('service of a workspace', () => {
  const spec = serviceSpec({
    request: {
      workspaceId: 'demo',
      runId: 'run',
      generation: 'generation',
      mode: 'workspace',
      target: { bucket: 'bucket', prefix: '' },
      declaration: '{}',
      image: 'berth/workspace',
      resources: { cpus: 1.5, memoryBytes: 2 * GIB },
      network: { id: 'network', name: 'berth-ws-demo', workspaceId: 'demo', subnet: '10.201.1.16/28' },
      volumes: { workspace: 'files', home: 'home' },
    },
    name: 'berth-ws-demo',
    stack: 'berth',
    domain: 'berth.localhost',
    imageReference: 'sha256:1',
    env: { A: '1' },
    stopGraceSeconds: 300,
  }) as unknown as {
    Labels: Record<string, string>;
    TaskTemplate: {
      Resources: { Limits: object };
      RestartPolicy: object;
      ContainerSpec: { StopGracePeriod: number };
    };
  };

  it('has the limits that were asked for (R7) and no more than three restarts (R3.4), also after an end in order', () => {
    expect(spec.TaskTemplate.Resources.Limits).to.include({ NanoCPUs: 1.5e9, MemoryBytes: 2 * GIB });
    expect(spec.TaskTemplate.RestartPolicy).to.include({ Condition: 'any', MaxAttempts: 3 });
    expect(spec.TaskTemplate.ContainerSpec.StopGracePeriod).to.equal(300e9);
  });

  it('guard each route, also of services of before there was a gate, and change nothing else', () => {
    const labels = routeLabels('demo', 'berth.localhost', 'berth-ws-demo');
    const routers = Object.entries(labels).filter(([name]) => name.endsWith('.middlewares'));
    expect(routers).to.have.length(3);
    for (const [name, value] of routers) expect(value.split(','), name).to.include('access@file');
    expect(guarded(labels)).to.deep.equal(labels);
    const before = { 'traefik.http.routers.a-web.middlewares': 'a-proof', 'traefik.enable': 'true' };
    expect(guarded(before)).to.deep.equal({
      'traefik.http.routers.a-web.middlewares': 'access@file,a-proof',
      'traefik.enable': 'true',
    });
  });

  it('carries the three routes as labels of the service (R2, R3.5)', () => {
    const labels = routeLabels('demo', 'berth.localhost', 'berth-ws-demo');
    expect(spec.Labels).to.include(labels);
    expect(labels).to.include({
      'traefik.http.routers.demo-vnc.rule': 'Host(`demo-vnc.berth.localhost`)',
      'traefik.http.routers.demo-code.rule': 'Host(`demo-code.berth.localhost`)',
      'traefik.http.routers.demo-web.rule': 'Host(`demo-web.berth.localhost`)',
      'traefik.http.services.demo-code.loadbalancer.server.port': '8080',
    });
  });

  it("leaves to the gateway how TLS is spoken, and to the user's app what its pages say", () => {
    const labels = routeLabels('demo', 'berth.localhost', 'berth-ws-demo');
    expect(Object.keys(labels).filter((label) => label.includes('.tls'))).to.deep.equal([]);
    const pages = ['code', 'vnc', 'web'].filter((service) =>
      labels[`traefik.http.routers.demo-${service}.middlewares`]?.split(',').includes('pages@file'),
    );
    expect(pages).to.deep.equal(['code', 'vnc']);
  });
});
