import type { Request, RequestHandler } from 'express';
import { rateLimit } from 'express-rate-limit';
import { parseApiKey } from '../auth/api-key.js';
import type { KeyRing } from '../auth/key-ring.js';
import { Problem } from '../problem.js';
import { bearerOf } from './authentication.js';

/**
 * Turns away clients whose keys were refused too often (401).
 *
 * @param perMinute - refusals a client's address; 0: no limit
 * @param isGuess - whether a request may be one of somebody who guesses keys; others are never in the way
 */
export function limitFailures(perMinute: number, isGuess: (request: Request) => boolean): RequestHandler {
  if (perMinute === 0) return (_request, _response, next) => next();
  return rateLimit({
    windowMs: 60_000,
    limit: perMinute,
    skipSuccessfulRequests: true,
    requestWasSuccessful: (_request, response) => response.statusCode !== 401,
    skip: (request) => !isGuess(request),
    // The answer below says all there is to say.
    ...{ legacyHeaders: false, standardHeaders: false },
    handler: () => {
      throw new Problem('BERTH_TOO_MANY_REQUESTS', 'Too many calls with wrong keys; try again in a minute.', {
        headers: { 'Retry-After': '60' },
      });
    },
  });
}

/**
 * The same, only for what may be a key of ours: bearers of the users' own apps come many at a time, and a call
 * counts as refused until it is answered.
 */
export const onlyForKeys =
  (limit: RequestHandler): RequestHandler =>
  (request, response, next) => {
    const token = bearerOf(request);
    return token === null || parseApiKey(token) === null ? next() : limit(request, response, next);
  };

/** Whoever has a key that was verified lately guesses no more. */
export const hasUnknownKey =
  (keys: Pick<KeyRing, 'believes'>) =>
  (request: Request): boolean => {
    const token = bearerOf(request);
    return token !== null && !keys.believes(token);
  };
