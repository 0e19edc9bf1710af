import { hostOf, SERVICES, type ServiceName } from '../../../shared/model/urls.js';

/** Ports inside a workspace's container (docs/architecture.md). */
const CONTAINER_PORTS: Record<ServiceName, number> = { vnc: 6080, code: 8080, web: 3080 };

/** The response header by which the prober knows that this workspace's router answered. */
export const PROOF_HEADER = 'X-Berth-Workspace';

/** Who gets in is decided there (docs/access.md). */
const GATE = 'access@file';

/**
 * Traefik's labels of one workspace (R2, R3.5). They are labels of the service, not of its tasks: changing
 * them restarts nothing.
 */
export function routeLabels(id: string, domain: string, networkName: string): Record<string, string> {
  const proof = `${id}-proof`;
  const labels: Record<string, string> = {
    'traefik.enable': 'true',
    // Without it Traefik takes an address of any network, reachable or not.
    'traefik.swarm.network': networkName,
    [`traefik.http.middlewares.${proof}.headers.customresponseheaders.${PROOF_HEADER}`]: id,
  };
  for (const service of SERVICES) {
    const name = `${id}-${service}`;
    const router = `traefik.http.routers.${name}`;
    labels[`${router}.rule`] = `Host(\`${hostOf(id, service, domain)}\`)`;
    labels[`${router}.entrypoints`] = 'websecure';
    labels[`${router}.service`] = name;
    // What the user's app says to browsers is its own affair (docs/tls.md). The proof comes last: what is
    // answered before, by whoever guards the way (docs/access.md), says nothing about the workspace.
    labels[`${router}.middlewares`] = [
      ...(service === 'web' ? [] : ['pages@file']),
      'access@file',
      proof,
    ].join();
    // Swarm tells no ports; Traefik needs each named.
    labels[`traefik.http.services.${name}.loadbalancer.server.port`] = String(CONTAINER_PORTS[service]);
  }
  return labels;
}

/** The same labels with the gate before each route: services of before there was one have none. */
export function guarded(labels: Record<string, string> = {}): Record<string, string> {
  const isOpen = (name: string, value: string) =>
    /^traefik\.http\.routers\.[^.]+\.middlewares$/.test(name) && !value.split(',').includes(GATE);
  return Object.fromEntries(
    Object.entries(labels).map(([name, value]) => [name, isOpen(name, value) ? `${GATE},${value}` : value]),
  );
}
