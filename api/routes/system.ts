import { Router } from 'express';
import { methodNotAllowed } from '../middleware/problem-details.js';
import type { System } from '../services/system.js';

/** `/api/system` (R7.5). */
export function systemRouter(system: System): Router {
  const router = Router();
  router
    .route('/status')
    .get(async (_request, response) => {
      response.json(await system.status());
    })
    .all(methodNotAllowed('GET', 'HEAD'));
  return router;
}
