import { randomUUID } from 'node:crypto';
import type { RequestHandler } from 'express';
import type { Clock } from '../../shared/clock.js';
import type { Logger } from '../../shared/logger.js';
import { keyIdOf } from './authentication.js';

const REQUEST_ID = /^[A-Za-z0-9._-]{1,64}$/;
/** Asked every few seconds by the gateway and by Docker. */
const PROBES = new Set(['/healthz', '/readyz', '/auth']);

/**
 * Gives each request an id (`X-Request-Id`, the caller's if it sends one) and logs it once it is over.
 * Neither headers nor bodies nor the query are logged: people put secrets into all three.
 */
export function requestLog(logger: Logger, clock: Clock): RequestHandler {
  return (request, response, next) => {
    const given = request.get('X-Request-Id') ?? '';
    const requestId = REQUEST_ID.test(given) ? given : randomUUID();
    const began = clock.elapsedMs();
    // What is longer is no path of ours.
    const path = request.path.slice(0, 200);
    response.locals['requestId'] = requestId;
    response.set('X-Request-Id', requestId);
    response.once('close', () => {
      logger.log(PROBES.has(path) ? 'debug' : 'info', 'request', {
        requestId,
        method: request.method,
        path,
        status: response.statusCode,
        durationMs: Math.round(clock.elapsedMs() - began),
        keyId: keyIdOf(response),
        // The client went away before the answer.
        aborted: !response.writableFinished || undefined,
      });
    });
    next();
  };
}
