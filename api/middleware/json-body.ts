import express, { type RequestHandler } from 'express';
import { Problem } from '../problem.js';

/** No call of ours needs more; the limit holds for the unpacked body too. */
const LIMIT = '64kb';

const refuseOtherTypes: RequestHandler = (request, _response, next) => {
  const { 'content-length': length, 'transfer-encoding': encoding } = request.headers;
  const empty = encoding === undefined && (length === undefined || length === '0');
  if (!empty && !request.is(['application/json', 'application/*+json'])) {
    throw new Problem('BERTH_MEDIA_TYPE_UNSUPPORTED', 'Send JSON, with Content-Type: application/json.');
  }
  next();
};

/** Reads a JSON body into `request.body`. Belongs behind the authentication: strangers' bodies are not read. */
export function jsonBody(): RequestHandler[] {
  return [refuseOtherTypes, express.json({ limit: LIMIT, type: () => true })];
}
