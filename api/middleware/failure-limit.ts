import type { RequestHandler } from 'express';
import { rateLimit } from 'express-rate-limit';
import type { KeyRing } from '../auth/key-ring.js';
import { Problem } from '../problem.js';
import { bearerOf } from './authentication.js';

/**
 * Turns away clients that were refused too often. Only refusals (401) count, and whoever has a key that was
 * verified lately is never in the way of others at the same address, nor they in his.
 *
 * @param perMinute - refusals a client's address; 0: no limit
 */
export function limitFailures(keys: Pick<KeyRing, 'believes'>, perMinute: number): RequestHandler {
  if (perMinute === 0) return (_request, _response, next) => next();
  return rateLimit({
    windowMs: 60_000,
    limit: perMinute,
    skipSuccessfulRequests: true,
    requestWasSuccessful: (_request, response) => response.statusCode !== 401,
    skip: (request) => {
      const token = bearerOf(request);
      return token !== null && keys.believes(token);
    },
    // The answer below says all there is to say.
    ...{ legacyHeaders: false, standardHeaders: false },
    handler: () => {
      throw new Problem(
        'BERTH_TOO_MANY_REQUESTS',
        'Too many calls without a valid key; try again in a minute.',
        {
          headers: { 'Retry-After': '60' },
        },
      );
    },
  });
}
