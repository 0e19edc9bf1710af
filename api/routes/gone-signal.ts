import type { Response } from 'express';

/** Aborted when the client goes away before it has its answer. */
export function goneSignal(response: Response): AbortSignal {
  const gone = new AbortController();
  response.once('close', () => {
    if (!response.writableEnded) gone.abort();
  });
  // It may have left already.
  if (response.closed) gone.abort();
  return gone.signal;
}
