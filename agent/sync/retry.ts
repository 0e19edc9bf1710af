import type { RetryPolicy } from '../../shared/s3/retry.js';
import { messageOf } from '../../shared/errors.js';
import { S3Error } from '../../shared/s3/s3-error.js';

/** Within a cycle: the next cycle is not far, so give up soon. */
export const CYCLE_RETRY: RetryPolicy = { attempts: 3, baseMs: 500, maxMs: 4_000 };
/** While restoring there is nothing better to do than to wait for the server. */
export const RESTORE_RETRY: RetryPolicy = { attempts: Infinity, baseMs: 500, maxMs: 15_000 };
/** Between two tries of the final sync, which goes on until it is told to give up. */
export const FINAL_RETRY: RetryPolicy = { attempts: Infinity, baseMs: 1_000, maxMs: 10_000 };

/** A server that slows clients down refuses many of those sent together, and takes others. */
const THROTTLED_LIMIT = 64;

/**
 * Ends a cycle early when the server is plainly away: after some failures in a row with no success
 * between them, every further request would only wait for its own time-out.
 */
export class Outage {
  private inARow = 0;
  private last: S3Error | null = null;
  private noRoom: S3Error | null = null;

  constructor(private readonly limit = 5) {}

  /** The failure that speaks for all, once there were enough of them. */
  get error(): S3Error | null {
    return this.last;
  }

  /** Nothing new finds room, as one request was told; what there is can still be read and removed. */
  get full(): S3Error | null {
    return this.noRoom;
  }

  /**
   * Runs a request unless the server was found to be away.
   *
   * @throws S3Error
   */
  async guard<T>(request: () => Promise<T>): Promise<T> {
    if (this.last !== null) throw this.last;
    try {
      const result = await request();
      this.inARow = 0;
      return result;
    } catch (error) {
      this.note(error);
      throw error;
    }
  }

  private note(error: unknown): void {
    if (!(error instanceof S3Error)) return;
    const limit = isThrottled(error) ? THROTTLED_LIMIT : this.limit;
    if (isAway(error) || isThrottled(error)) {
      this.inARow += 1;
      if (this.inARow >= limit) this.last = error;
      return;
    }
    this.inARow = 0;
    // Wrong credentials stay wrong for the next 5,000 files as well.
    if (error.kind === 'bucket') this.last = error;
    if (error.kind === 'full') this.noRoom = error;
  }
}

/** It says nothing about the request: the next one is not likely to fare better. */
const isAway = ({ kind }: S3Error) => kind === 'network' || kind === 'server';
const isThrottled = ({ status }: S3Error) => status === 429 || status === 503;

/** Any failure as an `S3Error`-like pair of code and words, for reports. */
export function failureOf(error: unknown): { code: string; message: string; permanent: boolean } {
  if (error instanceof S3Error)
    return { code: error.s3Code, message: error.message, permanent: !error.transient };
  const code = (error as { code?: unknown } | null)?.code;
  return { code: typeof code === 'string' ? code : 'Error', message: messageOf(error), permanent: false };
}
