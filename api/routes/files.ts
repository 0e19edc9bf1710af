import { pipeline } from 'node:stream/promises';
import { Router, type Response } from 'express';
import type { Downloads } from '../download/downloads.js';
import { ownerOf } from '../middleware/authentication.js';
import { methodNotAllowed } from '../middleware/problem-details.js';
import type { Workspaces } from '../services/workspaces.js';
import { goneSignal } from './gone-signal.js';
import { noParameters } from './validation.js';

/** A client that takes nothing for so long has left, or its line has. */
const STALLED_MS = 300_000;

/** `/api/containers/{id}/files.tar`: a workspace's files, as its bucket has them. */
export function filesRouter(workspaces: Workspaces, downloads: Downloads): Router {
  const router = Router();
  router
    .route('/:id/files.tar')
    .get(noParameters, async (request, response) => {
      const { id } = request.params;
      const gone = goneSignal(response);
      const owner = ownerOf(response);
      const target = await workspaces.as(owner).target(id);
      try {
        await downloads.tar(id, target, owner.id, gone, async (pieces) => {
          response.set({
            'Content-Type': 'application/x-tar',
            'Content-Disposition': `attachment; filename="${id}.tar"`,
          });
          if (request.method === 'HEAD') response.end();
          else await stream(pieces, response);
        });
      } catch (error) {
        // Half an archive was sent, and the broken connection says so; or there is nobody to tell.
        if (!response.headersSent && !gone.aborted) throw error;
      }
    })
    .all(methodNotAllowed('GET', 'HEAD'));
  return router;
}

/** Sends no faster than the client takes it. A failure breaks the connection, so that nobody takes the part for the whole. */
async function stream(pieces: AsyncIterable<Buffer>, response: Response): Promise<void> {
  response.setTimeout(STALLED_MS, () => response.destroy());
  await pipeline(pieces, response);
}
