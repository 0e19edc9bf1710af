import type { Request, RequestHandler, Response } from 'express';
import type { KeyRing } from '../auth/key-ring.js';
import { Problem } from '../problem.js';

/** The token of `Authorization: Bearer <token>`, or null. */
export function bearerOf(request: Request): string | null {
  return /^Bearer +([^\s]+) *$/i.exec(request.headers.authorization ?? '')?.[1] ?? null;
}

export function unauthenticated(detail: string): Problem {
  return new Problem('BERTH_UNAUTHENTICATED', detail, { headers: { 'WWW-Authenticate': 'Bearer' } });
}

/** Lets only requests with a valid API key through (R10.1–R10.4). */
export function requireApiKey(keys: Pick<KeyRing, 'verify'>): RequestHandler {
  return async (request, response, next) => {
    if (request.headers.authorization === undefined) {
      throw unauthenticated('This call needs an API key: Authorization: Bearer <id>_<secret>.');
    }
    const token = bearerOf(request);
    if (token === null) {
      throw unauthenticated('The Authorization header is not of the form: Bearer <id>_<secret>.');
    }
    const owner = await keys.verify(token);
    if (owner === null) throw unauthenticated('The API key is not valid.');
    response.locals['keyId'] = owner.id;
    next();
  };
}

/** Id of the API key that the request was authenticated with. */
export function keyIdOf(response: Response): string | undefined {
  return response.locals['keyId'] as string | undefined;
}
