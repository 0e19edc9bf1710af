import { Router } from 'express';
import type { Gatekeeper } from '../access/gatekeeper.js';
import { questionOf } from '../access/question.js';
import { methodNotAllowed } from '../middleware/problem-details.js';
import { Problem, unauthenticated } from '../problem.js';

/** `/access`: the gateway asks here before it lets a request to a workspace pass (forward authentication). */
export function accessRouter(gatekeeper: Gatekeeper, domain: string): Router {
  const router = Router();
  router
    .route('/access')
    .get(async (request, response) => {
      const question = questionOf(request.headers, domain);
      if (question === null)
        throw unauthenticated('This is asked by the gateway, for the URLs of workspaces.');
      const verdict = await gatekeeper.judge(question);
      response.set('Cache-Control', 'no-store');
      if (verdict.kind === 'refuse') {
        if (verdict.code === 'BERTH_FORBIDDEN') throw new Problem(verdict.code, verdict.detail);
        throw unauthenticated(verdict.detail);
      }
      if (verdict.setCookie !== null) response.set('Set-Cookie', verdict.setCookie);
      if (verdict.kind === 'lead') return response.redirect(302, verdict.location);
      // What the gateway passes on in place of what came.
      if (verdict.cookie !== null) response.set('Cookie', verdict.cookie);
      if (verdict.authorization !== null) response.set('Authorization', verdict.authorization);
      response.status(200).end();
    })
    .all(methodNotAllowed('GET', 'HEAD'));
  return router;
}
