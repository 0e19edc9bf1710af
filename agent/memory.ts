/** Grown by so much since it was last tidied, it is worth a pause of some 25 ms. */
const WORTH_BYTES = 8 * 1024 ** 2;

let tidied = 0;

/**
 * Gives memory back to the system that nobody needs any more. V8 by itself keeps what a burst of work
 * (a restore, a first upload) made it take, for as long as the process runs. Called when nothing is to do;
 * does nothing without Node's `--expose-gc`.
 */
export function tidyMemory(): void {
  if (globalThis.gc === undefined || process.memoryUsage.rss() - tidied < WORTH_BYTES) return;
  globalThis.gc({ type: 'major', execution: 'sync', flavor: 'last-resort' });
  tidied = process.memoryUsage.rss();
}
