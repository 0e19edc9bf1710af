import express, { Router, type Response } from 'express';
import * as z from 'zod';
import type { Links } from '../access/links.js';
import { contentPolicy, loginPage } from '../access/login-page.js';
import { placeOf } from '../access/question.js';
import type { KeyRing } from '../auth/key-ring.js';
import { speakFor } from '../middleware/authentication.js';
import { methodNotAllowed } from '../middleware/problem-details.js';
import { Problem } from '../problem.js';
import type { Workspaces } from '../services/workspaces.js';
import type { ApiSettings } from '../settings.js';
import { parseBody, parseQuery } from './validation.js';

export interface LoginOptions {
  keys: Pick<KeyRing, 'verify'>;
  workspaces: Workspaces;
  links: Links;
  settings: Pick<ApiSettings, 'BERTH_DOMAIN' | 'BERTH_HTTPS_PORT'>;
}

/** `/login`: where a person without a session gives an API key, and is led on to a workspace. */
export function loginRouter({ keys, workspaces, links, settings }: LoginOptions): Router {
  const { BERTH_DOMAIN: domain, BERTH_HTTPS_PORT: httpsPort } = settings;
  const port = httpsPort === 443 ? '' : `:${httpsPort}`;
  const policy = contentPolicy([`https://*.${domain}${port}`]);
  // Nobody is led anywhere else.
  const target = z
    .string()
    .max(4096)
    .refine((text) => isWorkspace(text), 'must be the URL of a workspace');
  const querySchema = z.strictObject({ to: target });
  const formSchema = z.strictObject({ to: target, key: z.string().max(200) });

  function isWorkspace(text: string): boolean {
    if (!URL.canParse(text)) return false;
    const { protocol, username, password, hostname, host } = new URL(text);
    const plain = protocol === 'https:' && username === '' && password === '';
    return plain && host === `${hostname}${port}` && placeOf(hostname, domain) !== null;
  }

  function show(response: Response, status: number, to: string, error: string | null): void {
    response
      .status(status)
      .set({
        'Content-Security-Policy': policy,
        'Cache-Control': 'no-store',
        'Referrer-Policy': 'same-origin',
      })
      .type('html')
      .send(loginPage({ to, error }));
  }

  const router = Router();
  router
    .route('/login')
    .get((request, response) => {
      show(response, 200, parseQuery(querySchema, request.query).to, null);
    })
    .post(express.urlencoded({ extended: false, limit: '8kb' }), async (request, response) => {
      const { origin } = request.headers;
      if (origin !== undefined && origin !== `https://api.${domain}${port}`)
        throw new Problem('BERTH_FORBIDDEN', 'The form was sent by another page.');
      const { to, key } = parseBody(formSchema, request.body);
      const owner = await keys.verify(key.trim()).catch((error: unknown) => {
        if (error instanceof Problem && error.code === 'BERTH_UNAUTHENTICATED') return null;
        throw error;
      });
      if (owner === null) return show(response, 401, to, 'This key is not valid.');
      speakFor(response, owner);
      const url = new URL(to);
      const place = placeOf(url.hostname, domain);
      const opened = place && (await linksTo(place.workspaceId));
      if (!place || !opened)
        return show(response, 403, to, 'There is no running workspace of this name that the key may open.');
      const link = new URL(opened.urls[place.service]);
      for (const [name, value] of link.searchParams) url.searchParams.set(name, value);
      response.set('Cache-Control', 'no-store').redirect(303, url.href);

      async function linksTo(id: string) {
        const found = await workspaces
          .as(owner!)
          .get(id)
          .catch((error: unknown) => {
            if (error instanceof Problem && error.code === 'BERTH_WORKSPACE_UNKNOWN') return null;
            throw error;
          });
        return found && links.of(owner!, found.view);
      }
    })
    .all(methodNotAllowed('GET', 'HEAD', 'POST'));
  return router;
}
