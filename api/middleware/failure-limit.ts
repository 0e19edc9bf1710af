import type { Request, RequestHandler } from 'express';
import { ipKeyGenerator, rateLimit } from 'express-rate-limit';
import { parseApiKey } from '../auth/api-key.js';
import type { KeyRing } from '../auth/key-ring.js';
import { Problem } from '../problem.js';
import { bearerOf, keyIdOf } from './authentication.js';

const WINDOW_MS = 60_000;

/** Turns away what may be a guess of a client whose keys were refused too often. */
export type FailureLimit = (isGuess: (request: Request) => boolean) => RequestHandler;

/**
 * Counts refused keys (401) by the client's address, wherever they were tried.
 *
 * Only the answer counts, so that many calls at once with a good key are in nobody's way. Guesses under way at
 * once are bounded by the key ring, which compares one after the other and lets only so many wait.
 *
 * @param perMinute - refusals; 0: no limit
 */
export function failureLimit(perMinute: number): FailureLimit {
  if (perMinute === 0) return () => (_request, _response, next) => next();
  const count = rateLimit({
    windowMs: WINDOW_MS,
    // It only counts; who is turned away is said below, before a key is compared.
    ...{ limit: perMinute, handler: () => undefined },
    ...{ legacyHeaders: false, standardHeaders: false },
  });
  return (isGuess) => async (request, response, next) => {
    if (!isGuess(request)) return next();
    const past = await count.getKey(ipKeyGenerator(request.ip ?? ''));
    if (past !== undefined && past.totalHits >= perMinute && isToCome(past.resetTime)) {
      throw new Problem('BERTH_TOO_MANY_REQUESTS', 'Too many calls with wrong keys; try again in a minute.', {
        headers: { 'Retry-After': '60' },
      });
    }
    response.once('close', () => {
      // Who leaves before his key was found good has cost as much as who was refused.
      const hasLeft = !response.writableFinished && keyIdOf(response) === undefined;
      const isRefused = response.statusCode === 401 || hasLeft;
      if (isRefused) void count(request, response, () => undefined);
    });
    next();
  };
}

const isToCome = (time: Date | undefined) => time !== undefined && time.getTime() > Date.now();

/** For where other bearers than ours come along too: those of the users' own apps are none of our concern. */
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
