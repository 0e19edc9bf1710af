import type { Request, RequestHandler, Response } from 'express';
import type { KeyRing } from '../auth/key-ring.js';
import { allows, isConfined, type KeyOwner } from '../auth/permissions.js';
import { Problem, unauthenticated } from '../problem.js';

/** The token of `Authorization: Bearer <token>`, or null. */
export function bearerOf(request: Request): string | null {
  return /^Bearer +([^\s]+) *$/i.exec(request.headers.authorization ?? '')?.[1] ?? null;
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
    speakFor(response, owner);
    next();
  };
}

/** From here on the request is known to be somebody's, also to the logs. */
export function speakFor(response: Response, owner: KeyOwner): void {
  response.locals['owner'] = owner;
}

/** Whom the request speaks for; behind `requireApiKey` only. */
export function ownerOf(response: Response): KeyOwner {
  return response.locals['owner'] as KeyOwner;
}

/** Id of the API key that the request was authenticated with, if it was. */
export function keyIdOf(response: Response): string | undefined {
  return (response.locals['owner'] as KeyOwner | undefined)?.id;
}

/** Methods that change nothing. */
export const LOOKS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);

/** Whoever only looks needs less than whoever changes something, whatever the route. */
export const requireScope: RequestHandler = (request, response, next) => {
  const needed = LOOKS.has(request.method) ? 'read' : 'write';
  const { scope } = ownerOf(response);
  if (!allows({ scope }, needed))
    throw new Problem(
      'BERTH_FORBIDDEN',
      `This call needs a key of scope "${needed}"; this one has "${scope}".`,
    );
  next();
};

/** What concerns all workspaces is for keys that see all of them. */
export const requireUnconfined: RequestHandler = (_request, response, next) => {
  if (isConfined(ownerOf(response)))
    throw new Problem(
      'BERTH_FORBIDDEN',
      'This key sees only some workspaces, and this is about all of them.',
    );
  next();
};
