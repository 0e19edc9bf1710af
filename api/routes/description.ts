import { Router } from 'express';
import { methodNotAllowed } from '../middleware/problem-details.js';
import { openApiDocument, type DocumentOptions } from '../openapi/document.js';

/** `/openapi.json`: the description of the API, for programs; no key. */
export function descriptionRouter(options: DocumentOptions): Router {
  const document = JSON.stringify(openApiDocument(options));
  const router = Router();
  router
    .route('/openapi.json')
    .get((_request, response) => {
      response.type('application/json').send(document);
    })
    .all(methodNotAllowed('GET', 'HEAD'));
  return router;
}
