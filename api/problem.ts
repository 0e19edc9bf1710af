import { STATUS_CODES } from 'node:http';
import { BerthError } from '../shared/errors.js';

/** Every error the API answers with: a stable code and its HTTP status (table in docs/api.md). */
export const PROBLEMS = {
  BERTH_BODY_INVALID: 400,
  BERTH_QUERY_INVALID: 400,
  BERTH_REQUEST_INVALID: 400,
  BERTH_UNAUTHENTICATED: 401,
  BERTH_FORBIDDEN: 403,
  BERTH_NOT_FOUND: 404,
  BERTH_WORKSPACE_UNKNOWN: 404,
  BERTH_METHOD_NOT_ALLOWED: 405,
  BERTH_NAME_TAKEN: 409,
  BERTH_SPEC_INVALID: 409,
  BERTH_RECORD_CONFLICT: 409,
  BERTH_RUN_SUPERSEDED: 409,
  BERTH_NOT_RUNNING: 409,
  BERTH_BODY_TOO_LARGE: 413,
  BERTH_MEDIA_TYPE_UNSUPPORTED: 415,
  BERTH_TOO_MANY_REQUESTS: 429,
  BERTH_INTERNAL: 500,
  BERTH_S3_REFUSED: 502,
  BERTH_START_FAILED: 503,
  BERTH_CAPACITY: 503,
  BERTH_NOT_READY: 503,
  BERTH_BUSY: 503,
  BERTH_STORE_FAILED: 503,
  BERTH_S3_UNAVAILABLE: 503,
} as const;

export type ProblemCode = keyof typeof PROBLEMS;

/** One thing wrong with one field of the request; `body` stands for the whole of it. */
export interface FieldError {
  field: string;
  message: string;
}

export interface ProblemOptions {
  errors?: FieldError[];
  headers?: Record<string, string>;
  /** More members of the answer, such as the workspace it is about. */
  extra?: Record<string, unknown>;
  cause?: unknown;
}

/** An error that is meant for the client: thrown anywhere below a route, answered as RFC 9457. */
export class Problem extends BerthError {
  override readonly name = 'Problem';
  readonly status: number;

  constructor(
    override readonly code: ProblemCode,
    detail: string,
    readonly options: ProblemOptions = {},
  ) {
    super(code, detail, { cause: options.cause });
    this.status = PROBLEMS[code];
  }

  /** The body of the answer, `application/problem+json`. */
  toJSON(): Record<string, unknown> {
    return {
      type: 'about:blank',
      title: STATUS_CODES[this.status],
      status: this.status,
      code: this.code,
      detail: this.message,
      ...(this.options.errors && { errors: this.options.errors }),
      ...this.options.extra,
    };
  }
}

/** Nobody that is known asks. */
export function unauthenticated(detail: string): Problem {
  return new Problem('BERTH_UNAUTHENTICATED', detail, { headers: { 'WWW-Authenticate': 'Bearer' } });
}
