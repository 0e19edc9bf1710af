/** How long to wait between tries. */
export interface BackoffOptions {
  /** Wait after the first failure, in milliseconds. */
  baseMs: number;
  /** Upper bound of a wait, in milliseconds. */
  maxMs: number;
}

/**
 * Exponential back-off with equal jitter: half of the wait is fixed, half is random, so that tries
 * neither bunch up nor follow each other at once.
 *
 * @param failures - failures in a row so far, 1 or more
 * @param random - a number in [0, 1)
 * @returns milliseconds to wait
 */
export function backoffMs(
  failures: number,
  options: BackoffOptions,
  random: () => number = Math.random,
): number {
  const exponent = Math.min(failures - 1, 30);
  const ceiling = Math.min(options.maxMs, options.baseMs * 2 ** exponent);
  return ceiling / 2 + (ceiling / 2) * random();
}
