import http from 'node:http';
import type Docker from 'dockerode';
import { connectEngine } from '../../controller/adapters/docker/engine.js';
import { eventually, removeStack, succeeds } from '../support/swarm.js';
import { LABELS } from '../../controller/names.js';

const TAG = process.env['BERTH_IMAGE_TAG'] ?? 'latest';
const DEADLINE_MS = 60_000;
const SERVERS = { code: 8080, vnc: 6080, web: 3080 };
/** Three of the small servers, without an agent. */
const COMMAND = Object.values(SERVERS)
  .map((port) => `node /opt/berth/testspace.mjs code ${port} &`)
  .join(' ');

/** The peer: somebody who does Berth's steps by hand. Its Traefik reads docker.sock five times a second. */
export class BareDocker {
  private constructor(
    private readonly docker: Docker,
    private readonly stack: string,
    private readonly traefik: Docker.Container,
    private readonly port: number,
    private readonly image: string,
  ) {}

  static async open(stack: string): Promise<BareDocker> {
    const docker = connectEngine();
    const imageOf = async (name: string) => (await docker.getImage(`berth/${name}:${TAG}`).inspect()).Id;
    const traefik = await docker.createContainer({
      Image: await imageOf('gateway'),
      Labels: { [LABELS.stack]: stack },
      Cmd: [
        '--global.checkNewVersion=false',
        '--global.sendAnonymousUsage=false',
        '--entryPoints.web.address=:80',
        '--providers.swarm.endpoint=unix:///var/run/docker.sock',
        '--providers.swarm.exposedByDefault=false',
        `--providers.swarm.constraints=Label(\`${LABELS.stack}\`, \`${stack}\`)`,
        '--providers.swarm.refreshSeconds=200ms',
        '--providers.providersThrottleDuration=10ms',
      ],
      HostConfig: {
        Binds: ['/var/run/docker.sock:/var/run/docker.sock'],
        PortBindings: { '80/tcp': [{ HostIp: '127.0.0.1', HostPort: '0' }] },
      },
      ExposedPorts: { '80/tcp': {} },
    });
    await traefik.start();
    const { NetworkSettings } = await traefik.inspect();
    const port = Number(NetworkSettings.Ports['80/tcp']?.[0]?.HostPort);
    return new BareDocker(docker, stack, traefik, port, await imageOf('testspace'));
  }

  /** Starts three servers on a network of their own. @returns how to remove them again */
  async start(id: string): Promise<() => Promise<void>> {
    const name = `${this.stack}-${id}`;
    const labels = { [LABELS.stack]: this.stack };
    const network = await this.docker.createNetwork({
      Name: name,
      Driver: 'overlay',
      Attachable: true,
      Labels: labels,
    });
    await this.docker.createService({
      Name: name,
      Labels: { ...labels, ...this.routes(id, name) },
      TaskTemplate: {
        ContainerSpec: {
          Image: this.image,
          Labels: labels,
          Command: ['/usr/bin/tini', '--', 'bash', '-c', `${COMMAND} wait`],
        },
        Networks: [{ Target: network.id }],
        Resources: { Limits: { NanoCPUs: 2e9 } },
      },
      EndpointSpec: { Mode: 'dnsrr' },
    } as never);
    await this.attach(network);
    await Promise.all(Object.keys(SERVERS).map((server) => this.answers(`${id}-${server}.bare`)));
    return () => this.remove(name, network);
  }

  async close(): Promise<void> {
    await this.traefik.remove({ force: true });
    await removeStack(this.docker, this.stack);
  }

  private routes(id: string, network: string): Record<string, string> {
    const labels: Record<string, string> = { 'traefik.enable': 'true', 'traefik.swarm.network': network };
    for (const [server, port] of Object.entries(SERVERS)) {
      const name = `${id}-${server}`;
      labels[`traefik.http.routers.${name}.rule`] = `Host(\`${name}.bare\`)`;
      labels[`traefik.http.routers.${name}.service`] = name;
      labels[`traefik.http.services.${name}.loadbalancer.server.port`] = String(port);
    }
    return labels;
  }

  private async attach(network: Docker.Network): Promise<void> {
    await network.connect({ Container: this.traefik.id });
  }

  private async answers(host: string): Promise<void> {
    const end = Date.now() + DEADLINE_MS;
    while ((await statusOf(this.port, host)) !== 200) {
      if (Date.now() > end) throw new Error(`${host} does not answer`);
      await new Promise((next) => setTimeout(next, 20));
    }
  }

  private async remove(name: string, network: Docker.Network): Promise<void> {
    await this.docker.getService(name).remove();
    await network.disconnect({ Container: this.traefik.id, Force: true });
    await eventually(`network ${name} gone`, () => succeeds(network.remove()));
  }
}

/** The status of one GET, or 0 when nothing answered. */
function statusOf(port: number, host: string): Promise<number> {
  return new Promise((resolve) => {
    const request = http.get({ port, host: '127.0.0.1', headers: { host } }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    request.once('error', () => resolve(0));
  });
}
