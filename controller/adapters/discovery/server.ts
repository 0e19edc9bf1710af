import http from 'node:http';
import type { RawService, RawSweep, RawTask } from '../docker/sweep.js';
import type { Catalogue } from './catalogue.js';
import { guarded } from '../docker/routes.js';

/** What the endpoint claims to be; Traefik negotiates its client down to it. */
const API_VERSION = '1.41';
/** How long a poll is held when nothing changes. Traefik's own interval comes on top. */
const HOLD_MS = 2000;

type Filters = Partial<Record<'service' | 'desired-state', Record<string, boolean> | string[]>>;

export interface DiscoveryOptions {
  catalogue: Catalogue;
  /** Told of each poll that was answered. */
  onPoll?: () => void;
  holdMs?: number;
}

/**
 * A read-only part of the Docker API, enough for Traefik's Swarm provider, answered from the
 * controller's last sweep. So Traefik needs no docker.sock, and polling costs the engine nothing.
 *
 * One request of each poll (`/version`) is held until something changed: Traefik hears of a new
 * task at once although it only ever polls (docs/decisions/0002-discovery-endpoint.md).
 */
export function createDiscoveryServer(options: DiscoveryOptions): http.Server {
  const { catalogue, onPoll, holdMs = HOLD_MS } = options;
  /** The revision each client has been told of, by its address. */
  const told = new Map<string, number>();

  return http.createServer((request, response) => {
    void answer(request, response).catch(() => response.destroy());
  });

  async function answer(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://discovery');
    const path = url.pathname.replace(/^\/v[\d.]+/, '');
    const client = request.socket.remoteAddress ?? '';
    if (request.method !== 'GET' && request.method !== 'HEAD')
      return send(response, 405, { message: 'read only' });
    if (path === '/_ping') {
      // A client that negotiates is a new one: it knows nothing yet.
      told.delete(client);
      return send(response, 200, 'OK');
    }
    if (path === '/version') {
      const gone = new AbortController();
      response.on('close', () => gone.abort());
      await catalogue.changed(told.get(client) ?? -1, holdMs, gone.signal);
      told.set(client, catalogue.revision);
      onPoll?.();
      return send(response, 200, {
        ApiVersion: API_VERSION,
        MinAPIVersion: '1.24',
        Version: '20.10.24',
        Os: 'linux',
      });
    }
    const sweep = catalogue.latest;
    // Before the first sweep nothing is known, which is not the same as "there is nothing".
    if (sweep === null) return send(response, 503, { message: 'the engine has not been listed yet' });
    const found = lookUp(sweep, path, parseFilters(url.searchParams.get('filters')));
    return found === undefined
      ? send(response, 404, { message: 'page not found' })
      : send(response, 200, found);
  }
}

function lookUp(sweep: RawSweep, path: string, filters: Filters): unknown {
  if (path === '/services') return sweep.services.map(routable);
  if (path === '/networks') return sweep.networks;
  if (path === '/tasks') return sweep.tasks.filter((task) => matches(task, filters));
  const node = /^\/nodes\/([^/]+)$/.exec(path)?.[1];
  return node === undefined ? undefined : sweep.nodes.find(({ ID }) => ID === node);
}

/** What a route can depend on. The rest of a service, its environment with secrets above all, stays here. */
function routable({ ID, Version, Spec, Endpoint }: RawService): unknown {
  const { Name, Labels, Mode, EndpointSpec } = Spec;
  return { ID, Version, Spec: { Name, Labels: guarded(Labels), Mode, EndpointSpec }, Endpoint };
}

function matches(task: RawTask, filters: Filters): boolean {
  const wanted = (values: Filters[keyof Filters], actual: string) => {
    if (values === undefined) return true;
    return Array.isArray(values) ? values.includes(actual) : values[actual] === true;
  };
  return wanted(filters.service, task.ServiceID) && wanted(filters['desired-state'], task.DesiredState);
}

function parseFilters(text: string | null): Filters {
  try {
    return text === null ? {} : (JSON.parse(text) as Filters);
  } catch {
    return {};
  }
}

function send(response: http.ServerResponse, status: number, body: unknown): void {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  response.writeHead(status, {
    'Content-Type': typeof body === 'string' ? 'text/plain' : 'application/json',
    'Api-Version': API_VERSION,
    Ostype: 'linux',
  });
  response.end(text);
}
