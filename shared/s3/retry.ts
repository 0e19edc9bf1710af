import { sleep } from '../clock.js';
import { S3Error } from './s3-error.js';

/**
 * Exponential back-off with full jitter: many agents whose server comes back must not all knock at once.
 *
 * @param failures - failures in a row, 1 or more
 * @returns milliseconds between 0 and the bound
 */
export function fullJitterMs(
  failures: number,
  baseMs: number,
  maxMs: number,
  random: () => number = Math.random,
): number {
  return random() * Math.min(maxMs, baseMs * 2 ** Math.min(failures - 1, 30));
}

export interface RetryPolicy {
  /** Tries in all; Infinity to go on until the signal. */
  attempts: number;
  baseMs: number;
  maxMs: number;
}

/**
 * Repeats a request while its failure is transient.
 *
 * @throws S3Error the last failure; the signal's reason when it is aborted while waiting
 */
export async function retrying<T>(
  policy: RetryPolicy,
  request: () => Promise<T>,
  options: { signal?: AbortSignal | undefined; onRetry?: ((error: S3Error) => void) | undefined } = {},
): Promise<T> {
  for (let failures = 1; ; failures++) {
    options.signal?.throwIfAborted();
    try {
      return await request();
    } catch (error) {
      if (!(error instanceof S3Error) || !error.transient || failures >= policy.attempts) throw error;
      options.onRetry?.(error);
      await sleep(fullJitterMs(failures, policy.baseMs, policy.maxMs), options.signal);
    }
  }
}
