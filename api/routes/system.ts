import { Router } from 'express';
import { methodNotAllowed } from '../middleware/problem-details.js';
import type { System } from '../services/system.js';
import { noParameters } from './validation.js';

/** `/api/system` (R7.5). */
export function systemRouter(system: System): Router {
  const router = Router();
  router
    .route('/status')
    .get(noParameters, async (_request, response) => {
      response.json(await system.status());
    })
    .all(methodNotAllowed('GET', 'HEAD'));
  return router;
}
