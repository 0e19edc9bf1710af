import type { Request, RequestHandler } from 'express';
import type * as z from 'zod';
import { Problem, type FieldError } from '../problem.js';
import { noQuerySchema, waitSchema } from './requests.js';

/** @throws Problem `BERTH_BODY_INVALID` naming each wrong field */
export function parseBody<T>(schema: z.ZodType<T>, body: unknown): T {
  // No body at all lacks the required fields, and is told so.
  const result = schema.safeParse(body ?? {}, {
    error: (issue) =>
      issue.code === 'invalid_type' && issue.input === undefined ? 'is required' : undefined,
  });
  if (result.success) return result.data;
  const errors = fieldErrorsOf(result.error, 'body');
  throw new Problem('BERTH_BODY_INVALID', detailOf('The body', errors), { errors });
}

/** @throws Problem `BERTH_QUERY_INVALID` naming each wrong parameter */
export function parseQuery<T>(schema: z.ZodType<T>, query: unknown): T {
  const result = schema.safeParse(query, {
    error: (issue) => (Array.isArray(issue.input) ? 'is given more than once' : undefined),
  });
  if (result.success) return result.data;
  const errors = fieldErrorsOf(result.error, 'query');
  throw new Problem('BERTH_QUERY_INVALID', detailOf('The query', errors), { errors });
}

/** For calls without parameters: one that was meant for another call is not to pass unseen. */
export const noParameters: RequestHandler = ({ query }, _response, next) => {
  parseQuery(noQuerySchema, query);
  next();
};

/**
 * How long the client wants the call to wait: `?wait=N`, else `Prefer: wait=N` (RFC 7240).
 *
 * @param wait - of the query
 * @returns null when it does not
 * @throws Problem `BERTH_REQUEST_INVALID` for the header
 */
export function waitOf(request: Request, wait: number | undefined): number | null {
  if (wait !== undefined) return wait;
  const preferences = (request.get('Prefer') ?? '').split(/[,;]/).map((preference) => preference.trim());
  const preferred = preferences.find((preference) => /^wait(\s*=|$)/i.test(preference));
  if (preferred === undefined) return null;
  const result = waitSchema.safeParse(preferred.replace(/^wait\s*=?\s*/i, '').replace(/^"(.*)"$/, '$1'));
  if (result.success) return result.data;
  const errors = fieldErrorsOf(result.error, 'Prefer: wait');
  throw new Problem('BERTH_REQUEST_INVALID', detailOf('The header', errors), { errors });
}

/** @param root - what a problem with the whole is called */
function fieldErrorsOf(error: z.ZodError, root: string): FieldError[] {
  const errors = error.issues.flatMap((issue) => {
    if (issue.code === 'unrecognized_keys') {
      return issue.keys.map((key) => ({
        field: nameOf([...issue.path, key], root),
        message: 'is not known',
      }));
    }
    // A wrong key of a map: what is wrong with it is one level further in.
    const inner = issue.code === 'invalid_key' ? issue.issues[0] : undefined;
    return [{ field: nameOf(issue.path, root), message: inner?.message ?? issue.message }];
  });
  // An empty name breaks several rules at once; the first says enough.
  return errors.filter(({ field }, index) => errors.findIndex((error) => error.field === field) === index);
}

function nameOf(path: PropertyKey[], root: string): string {
  return path.length === 0 ? root : path.map(String).join('.');
}

function detailOf(what: string, errors: FieldError[]): string {
  return `${what} is not valid: ${errors.map(({ field, message }) => `${field}: ${message}`).join('; ')}.`;
}
