import type { ServiceName } from '../../shared/model/urls.js';

/** Why a URL does not serve. */
export interface RouteFault {
  /** Whose fault it is, as far as can be told: where the gateway has no way yet, the workspace may be well. */
  by: 'gateway' | 'workspace';
  message: string;
}

/** What each URL answered through the real gateway; `null` means that it serves as it should. */
export type RouteFindings = Record<ServiceName, RouteFault | null>;

export interface Prober {
  /** Asks the three URLs of a workspace once, from where a browser would come: through the gateway, with TLS. */
  probe(workspaceId: string): Promise<RouteFindings>;
}
