import type Docker from 'dockerode';

/** How long to wait before the stream is opened again. */
const REOPEN_MS = 1000;

/**
 * Calls `hint` at each event of services, containers, networks and volumes. Events are hints: the
 * stream breaks, and Swarm sends none for tasks.
 */
export function watchEvents(docker: Docker, hint: () => void, signal: AbortSignal): void {
  const open = () => {
    if (signal.aborted) return;
    docker
      .getEvents({ filters: { type: ['service', 'container', 'network', 'volume'] } })
      .then(listen, reopen);
  };
  const listen = (stream: NodeJS.ReadableStream) => {
    const end = () => (stream as unknown as { destroy(): void }).destroy();
    signal.addEventListener('abort', end, { once: true });
    stream.on('data', hint);
    stream.on('error', () => undefined);
    stream.once('close', () => {
      signal.removeEventListener('abort', end);
      reopen();
    });
    if (signal.aborted) end();
  };
  const reopen = () => {
    if (!signal.aborted) setTimeout(open, REOPEN_MS).unref();
  };
  open();
}
