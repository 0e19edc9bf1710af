import type { ErrorRequestHandler, RequestHandler } from 'express';
import { codeOf, messageOf, RecordConflictError } from '../../shared/errors.js';
import type { Logger } from '../../shared/logger.js';
import { Problem } from '../problem.js';

/** Errors of the operating system that say that the state folder, not the program, is at fault. */
const STORE_FAILURES = new Set(['ENOSPC', 'EDQUOT', 'EROFS', 'EACCES', 'EPERM', 'EIO', 'EMFILE', 'ENOENT']);

/** Answers every error as `application/problem+json` (RFC 9457). */
export function problemDetails(logger: Logger): ErrorRequestHandler {
  return (error, request, response, next) => {
    const problem = problemOf(error);
    if (problem.status === 500 || problem.code === 'BERTH_STORE_FAILED') {
      logger.error('request failed', {
        requestId: response.locals['requestId'] as string,
        method: request.method,
        path: request.path,
        error: messageOf(error),
        stack: error instanceof Error ? error.stack : undefined,
      });
    }
    // Half an answer is out already: Express closes the connection, so that nobody takes it for whole.
    if (response.headersSent) return next(error);
    response
      .status(problem.status)
      .set(problem.options.headers ?? {})
      .type('application/problem+json')
      .send(JSON.stringify({ ...problem.toJSON(), requestId: response.locals['requestId'] as string }));
  };
}

/** No route has this path. */
export const notFound: RequestHandler = (request) => {
  throw new Problem('BERTH_NOT_FOUND', `There is nothing at ${request.baseUrl}${request.path}.`);
};

/** The route has this path, but not the method. */
export function methodNotAllowed(...methods: string[]): RequestHandler {
  return (request) => {
    throw new Problem('BERTH_METHOD_NOT_ALLOWED', `${request.method} is not one of ${methods.join(', ')}.`, {
      headers: { Allow: methods.join(', ') },
    });
  };
}

/** What a client is told about anything that was thrown; the inside of the program is not told. */
export function problemOf(error: unknown): Problem {
  if (error instanceof Problem) return error;
  if (error instanceof RecordConflictError) {
    return new Problem(
      'BERTH_RECORD_CONFLICT',
      'The workspace was changed by somebody else at the same time; try again.',
      { cause: error },
    );
  }
  const { status } = (error ?? {}) as { status?: unknown };
  // A path that cannot be decoded names nothing that exists.
  if (error instanceof URIError) {
    return new Problem('BERTH_NOT_FOUND', 'The path is not a valid one.', { cause: error });
  }
  if (typeof status === 'number' && status >= 400 && status < 500) return bodyProblem(error, status);
  const code = codeOf(error);
  if (code !== undefined && STORE_FAILURES.has(code)) {
    return new Problem(
      'BERTH_STORE_FAILED',
      `The state folder cannot be used (${code}): look at its disk space, permissions and mount.`,
      { cause: error },
    );
  }
  return new Problem('BERTH_INTERNAL', 'Something went wrong; the log has more under the request id.', {
    cause: error,
  });
}

/** What express.json() and the decompression before it throw: errors with a status. */
function bodyProblem(error: unknown, status: number): Problem {
  if (status === 413)
    return new Problem('BERTH_BODY_TOO_LARGE', 'The body is larger than 64 kB.', { cause: error });
  if (status === 415) return new Problem('BERTH_MEDIA_TYPE_UNSUPPORTED', messageOf(error), { cause: error });
  return new Problem('BERTH_BODY_INVALID', 'The body is not valid JSON.', {
    errors: [{ field: 'body', message: messageOf(error) }],
    cause: error,
  });
}
