import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { parse } from 'yaml';
import { Catalogue } from '../../../controller/adapters/discovery/catalogue.js';
import { createDiscoveryServer } from '../../../controller/adapters/discovery/server.js';
import { routeLabels } from '../../../controller/adapters/docker/routes.js';
import type { RawSweep } from '../../../controller/adapters/docker/sweep.js';
import { freePorts } from '../ports.js';
import { eventually } from '../swarm.js';
import { imagesProgram } from '../wheels.js';

const run = promisify(execFile);
/** Where the gateway finds what is elsewhere in a stack: by the address that is in the routes. */
export type Backends = Partial<Record<'http://api:8080' | 'http://controller:9095', string>>;

/**
 * The gateway as it is in a stack (script, routes, arguments), but on loopback and with ports of its own. It
 * hears of workspaces from the controller's own discovery endpoint.
 */
export class Gateway {
  readonly folder = mkdtempSync(path.join(tmpdir(), 'berth-gateway-'));
  readonly domain = 'gateway-test.localhost';
  httpPort = 0;
  httpsPort = 0;
  output = '';
  private child: ChildProcess | null = null;
  private readonly catalogue = new Catalogue();
  private readonly discovery = createDiscoveryServer({ catalogue: this.catalogue });
  private readonly workspaces = new Map<string, string>();
  private readonly routes = path.join(this.folder, 'routes');

  constructor() {
    for (const name of ['state/tls', 'state/secrets', 'state/acme'])
      mkdirSync(path.join(this.folder, name), { recursive: true });
    cpSync('manifests/gateway/routes', this.routes, { recursive: true });
  }

  state(...name: string[]): string {
    return path.join(this.folder, 'state', ...name);
  }

  /** What `make up` does for the certificate. */
  async certify(settings: Record<string, string> = {}): Promise<void> {
    const { PATH = '' } = process.env;
    const env = {
      PATH,
      BERTH_ENV_FILE: '/dev/null',
      BERTH_STATE_DIR: this.state(),
      BERTH_DOMAIN: this.domain,
    };
    await run('bash', ['manifests/host/tls.sh'], { env: { ...env, ...settings } });
  }

  /** A workspace as the controller tells of it, with an address at which its three ports listen. */
  route(id: string, address: string): void {
    this.workspaces.set(id, address);
    this.catalogue.publish(sweepOf(this.workspaces, this.domain));
  }

  async choosePorts(): Promise<void> {
    [this.httpPort = 0, this.httpsPort = 0] = await freePorts(2);
  }

  /**
   * @param settings - of the gateway's service
   * @param more - arguments of Traefik, beside those of the stack
   */
  async start(
    backends: Backends = {},
    settings: Record<string, string> = {},
    more: string[] = [],
  ): Promise<void> {
    if (this.httpsPort === 0) await this.choosePorts();
    const file = path.join(this.routes, 'routes.yaml');
    let text = readFileSync(file, 'utf8');
    for (const [from, to] of Object.entries(backends)) text = text.replaceAll(from, to);
    writeFileSync(file, text);
    if (!this.discovery.listening) await once(this.discovery.listen(0, '127.0.0.1'), 'listening');
    this.catalogue.publish(sweepOf(this.workspaces, this.domain));
    const swarm = `tcp://127.0.0.1:${(this.discovery.address() as AddressInfo).port}`;
    const [ping = 0, agents = 0, s3 = 0] = await freePorts(3);
    const ports = {
      ':80': this.httpPort,
      ':443': this.httpsPort,
      ':7070': agents,
      ':9000': s3,
      ':8082': ping,
    };
    const child = spawn(
      'bash',
      ['manifests/gateway/gateway.sh', ...argumentsOfStack(ports, swarm), ...more],
      {
        env: {
          ...process.env,
          PATH: `${path.dirname(imagesProgram('traefik'))}:${process.env['PATH'] ?? ''}`,
          BERTH_DOMAIN: this.domain,
          BERTH_HTTPS_PORT: String(this.httpsPort),
          BERTH_S3_BUNDLED: 'false',
          BERTH_TLS: 'local',
          BERTH_GATEWAY_ROUTES: this.routes,
          BERTH_GATEWAY_TLS: this.state('tls'),
          BERTH_GATEWAY_ACME: this.state('acme'),
          BERTH_GATEWAY_RUN: path.join(this.folder, 'run'),
          BERTH_GATEWAY_INTERVAL: '0.2',
          ...settings,
        },
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    this.child = child;
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (data: Buffer) => (this.output += String(data)));
    await eventually('the gateway answers', async () => {
      if (child.exitCode !== null) throw new Error(`the gateway ended: ${this.output}`);
      return fetch(`http://127.0.0.1:${ping}/ping`).then(
        ({ ok }) => ok,
        () => false,
      );
    });
  }

  async stop(): Promise<void> {
    const { child } = this;
    this.child = null;
    if (child !== null && child.exitCode === null) {
      const closed = once(child, 'exit');
      child.kill('SIGTERM');
      await closed;
    }
  }

  async remove(): Promise<void> {
    await this.stop();
    this.discovery.closeAllConnections();
    this.discovery.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** What Traefik's Swarm provider reads of the engine: a service, its task and the network of both. */
function sweepOf(workspaces: ReadonlyMap<string, string>, domain: string): RawSweep {
  const network = { ID: 'network', Spec: { Name: 'network' } };
  const ids = [...workspaces.keys()];
  const services = ids.map((id) => ({
    ID: `service-${id}`,
    Version: { Index: 1 },
    Spec: {
      Name: id,
      Labels: routeLabels(id, domain, 'network'),
      Mode: { Replicated: { Replicas: 1 } },
      EndpointSpec: { Mode: 'dnsrr' },
    },
    Endpoint: { Spec: { Mode: 'dnsrr' } },
  }));
  const tasks = ids.map((id) => ({
    ID: `task-${id}`,
    Version: { Index: 1 },
    CreatedAt: '2026-01-01T00:00:00Z',
    ServiceID: `service-${id}`,
    NodeID: 'node',
    Slot: 1,
    DesiredState: 'running',
    Status: { State: 'running' },
    NetworksAttachments: [{ Network: network, Addresses: [`${workspaces.get(id)}/28`] }],
  }));
  const networks = [{ Id: 'network', Name: 'network', Driver: 'overlay', Scope: 'swarm' }];
  return { services, tasks, networks, nodes: [{ ID: 'node' }] } as unknown as RawSweep;
}

/** The gateway's arguments in `manifests/stack.yaml`, with other addresses, all of them on loopback. */
function argumentsOfStack(ports: Record<string, number>, swarm: string): string[] {
  const stack = parse(readFileSync('manifests/stack.yaml', 'utf8'), { merge: true }) as {
    services: { gateway: { command: string[] } };
  };
  return stack.services.gateway.command.map((argument) => {
    const [, name, port] = /^(--entryPoints\.\w+\.address)=.*(:\d+)$/.exec(argument) ?? [];
    if (name !== undefined && port !== undefined) return `${name}=127.0.0.1:${ports[port]}`;
    return argument
      .replace('tcp://controller:2375', swarm)
      .replace('${BERTH_HTTPS_PORT}', String(ports[':443']));
  });
}
