import { Router, type Request, type Response } from 'express';
import type { Phase } from '../../shared/model/observed.js';
import type { WorkspaceView } from '../../shared/model/view.js';
import type { Links } from '../access/links.js';
import { Problem } from '../problem.js';
import { ownerOf } from '../middleware/authentication.js';
import { jsonBody } from '../middleware/json-body.js';
import { methodNotAllowed } from '../middleware/problem-details.js';
import type { Declared, WaitRequest, Workspaces } from '../services/workspaces.js';
import { goneSignal } from './gone-signal.js';
import {
  deleteQuerySchema,
  extendSchema,
  listQuerySchema,
  nothingSchema,
  startSchemaOf,
  type StartSettings,
  waitQuerySchema,
} from './requests.js';
import { noParameters, parseBody, parseQuery, waitOf } from './validation.js';

export interface ContainersOptions {
  workspaces: Workspaces;
  links: Links;
  settings: StartSettings;
  /** Aborted when the program ends: nobody waits any longer. */
  stopping: AbortSignal;
}

/** `/api/containers` (R1). */
export function containersRouter({ workspaces, links, settings, stopping }: ContainersOptions): Router {
  const router = Router();
  const startSchema = startSchemaOf(settings);

  router.post('/start', ...jsonBody(), async (request, response) => {
    const wait = waitOf(request, parseQuery(waitQuerySchema, request.query).wait);
    const { bucketId, ...rest } = parseBody(startSchema, request.body);
    const owner = ownerOf(response);
    const declared = await workspaces.as(owner).start({ ...rest, bucket: bucketId, createdBy: owner.id });
    response.location(declared.view.links.self);
    await answer(response, declared, {
      wait,
      done: 'running',
      doneStatus: 201,
      until: (waiting) => workspaces.untilRunning(declared, waiting),
    });
  });

  router
    .route('/:id/start')
    .post(...jsonBody(), async (request: Request<{ id: string }>, response) => {
      const wait = waitOf(request as Request, parseQuery(waitQuerySchema, request.query).wait);
      parseBody(nothingSchema, request.body);
      const declared = await workspaces.as(ownerOf(response)).startAgain(request.params.id);
      await answer(response, declared, {
        wait,
        done: 'running',
        doneStatus: 200,
        until: (waiting) => workspaces.untilRunning(declared, waiting),
      });
    })
    .all(methodNotAllowed('POST'));

  router
    .route('/:id/events')
    .get(noParameters, async (request: Request<{ id: string }>, response) => {
      response.json({ items: await workspaces.as(ownerOf(response)).events(request.params.id) });
    })
    .all(methodNotAllowed('GET', 'HEAD'));

  router
    .route('/:id/health')
    .get(noParameters, async (request: Request<{ id: string }>, response) => {
      response.json(await workspaces.as(ownerOf(response)).health(request.params.id));
    })
    .all(methodNotAllowed('GET', 'HEAD'));

  router
    .route('/:id/access')
    .post(noParameters, ...jsonBody(), async (request: Request<{ id: string }>, response) => {
      parseBody(nothingSchema, request.body);
      const { view } = await workspaces.as(ownerOf(response)).get(request.params.id);
      const opened = await links.of(ownerOf(response), view);
      if (opened === null) throw notRunning(view);
      response.json(opened);
    })
    .delete(noParameters, async (request: Request<{ id: string }>, response) => {
      const { view } = await workspaces.as(ownerOf(response)).revokeAccess(request.params.id);
      response.json(view);
    })
    .all(methodNotAllowed('POST', 'DELETE'));

  router
    .route('/:id/extend')
    .post(noParameters, ...jsonBody(), async (request: Request<{ id: string }>, response) => {
      const { for: time } = parseBody(extendSchema, request.body);
      const { view } = await workspaces.as(ownerOf(response)).extend(request.params.id, time);
      response.json(await links.shown(ownerOf(response), view));
    })
    .all(methodNotAllowed('POST'));

  router
    .route('/')
    .get(async (request, response) => {
      const { status, bucketId, limit, cursor } = parseQuery(listQuerySchema, request.query);
      response.json(
        await workspaces.as(ownerOf(response)).list({ status, bucket: bucketId, limit, after: cursor }),
      );
    })
    .all(methodNotAllowed('GET', 'HEAD'));

  router
    .route('/:id')
    .get(noParameters, async (request, response) => {
      const { view, etag } = await workspaces.as(ownerOf(response)).get(request.params.id);
      const shown = await links.shown(ownerOf(response), view);
      response.set('ETag', shown.accessUrls === null ? etag : links.etagOf(etag)).json(shown);
    })
    .delete(async (request, response) => {
      const { wait: seconds, force } = parseQuery(deleteQuerySchema, request.query);
      const wait = waitOf(request, seconds);
      const declared = await workspaces
        .as(ownerOf(response))
        .delete(request.params.id, { discardUnsaved: force });
      await answer(response, declared, {
        wait,
        done: 'stopped',
        doneStatus: 200,
        until: (waiting) => workspaces.untilStopped(declared, waiting),
      });
    })
    // `start` is a legal id too, hence POST is known there.
    .all((request: Request<{ id: string }>, response, next) => {
      const post = request.params.id === 'start' ? ['POST'] : [];
      return methodNotAllowed('GET', 'HEAD', 'DELETE', ...post)(request as Request, response, next);
    });

  /** Waits if that was asked for, and answers with the view: `doneStatus` when it came so far, else 202. */
  async function answer(response: Response, declared: Declared, goal: Goal): Promise<void> {
    let { view } = declared;
    if (goal.wait !== null && view.status !== goal.done) {
      const signal = AbortSignal.any([goneSignal(response), stopping]);
      view = await goal.until({ seconds: goal.wait, signal });
    }
    response
      .status(view.status === goal.done ? goal.doneStatus : 202)
      .json(await links.shown(ownerOf(response), view));
  }

  return router;
}

function notRunning({ containerId, status, links }: WorkspaceView): Problem {
  return new Problem(
    'BERTH_NOT_RUNNING',
    `${containerId} is ${status}; start it with POST ${links.self}/start.`,
  );
}

interface Goal {
  wait: number | null;
  done: Phase;
  doneStatus: number;
  until: (wait: WaitRequest) => Promise<WorkspaceView>;
}
