import { Router } from 'express';
import { methodNotAllowed } from '../middleware/problem-details.js';
import type { System } from '../services/system.js';

/** What the gateway and Docker ask, without a key. */
export function probesRouter(system: System): Router {
  const router = Router();
  router
    .route('/healthz')
    .get((_request, response) => {
      response.json({ status: 'ok' });
    })
    .all(methodNotAllowed('GET', 'HEAD'));
  router
    .route('/readyz')
    .get(async (_request, response) => {
      await system.assertReady();
      response.json({ status: 'ready' });
    })
    .all(methodNotAllowed('GET', 'HEAD'));
  return router;
}
