import type { RequestHandler } from 'express';
import type { Clock } from '../../shared/clock.js';
import { keyIdOf, LOOKS } from './authentication.js';

/** One line of the audit log. It holds neither headers, bodies nor queries: people put secrets into all three. */
export interface AuditEntry {
  /** ISO time of the answer. */
  at: string;
  /** null: nobody who is known. */
  keyId: string | null;
  /** Address of the client. */
  client: string;
  method: string;
  path: string;
  status: number;
  requestId: string;
}

export type Audit = (entry: AuditEntry) => void;

/** What is longer is no path of ours: it is not to drive other lines out of the log. */
const MAX_PATH = 200;

/** Notes who changed what, or tried to, and whoever was turned away. */
export function auditLog(audit: Audit, clock: Clock): RequestHandler {
  return (request, response, next) => {
    const { method, baseUrl, path, ip = '' } = request;
    response.once('close', () => {
      const { statusCode: status } = response;
      if (LOOKS.has(method) && status !== 401) return;
      audit({
        at: clock.now().toISOString(),
        keyId: keyIdOf(response) ?? null,
        client: ip,
        ...{ method, path: `${baseUrl}${path}`.slice(0, MAX_PATH), status },
        requestId: response.locals['requestId'] as string,
      });
    });
    next();
  };
}
