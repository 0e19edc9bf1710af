export const SERVICES = ['vnc', 'code', 'web'] as const;
export type ServiceName = (typeof SERVICES)[number];
export type WorkspaceUrls = Record<ServiceName, string>;

/** Host name of one service of a workspace: `{id}-vnc.{domain}` (R2.2–R2.4). */
export function hostOf(id: string, service: ServiceName, domain: string): string {
  return `${id}-${service}.${domain}`;
}

/**
 * The three URLs of a workspace (R2.2–R2.4).
 *
 * @param httpsPort - published port; named in the URL only when it is not 443
 */
export function urlsOf(id: string, domain: string, httpsPort: number): WorkspaceUrls {
  const port = httpsPort === 443 ? '' : `:${httpsPort}`;
  const url = (service: ServiceName) => `https://${hostOf(id, service, domain)}${port}`;
  return { vnc: url('vnc'), code: url('code'), web: url('web') };
}
