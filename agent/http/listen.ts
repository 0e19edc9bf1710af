import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Longer than the gateway keeps idle connections, so that it is never the one to find them closed. */
const KEEP_ALIVE_MS = 120_000;

/**
 * Opens a server's port on all addresses.
 *
 * @param port - 0 for any free one
 * @returns the port
 */
export async function listen(server: Server, port: number, host?: string): Promise<number> {
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  // Uploads to the user's app may take as long as they want.
  server.requestTimeout = 0;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  return (server.address() as AddressInfo).port;
}

/** Closes a server and whatever is still open on it. */
export async function shut(server: Server): Promise<void> {
  if (!server.listening) return;
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeAllConnections();
  await closed;
}
