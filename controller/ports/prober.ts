import type { ServiceName } from '../../shared/model/urls.js';

/** What each URL answered through the real gateway; `null` means that it serves as it should. */
export type RouteFindings = Record<ServiceName, string | null>;

export interface Prober {
  /** Asks the three URLs of a workspace once, from where a browser would come: through the gateway, with TLS. */
  probe(workspaceId: string): Promise<RouteFindings>;
}
