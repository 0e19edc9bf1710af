import type { Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

/** Longer than the gateway keeps idle connections, so that it is never the one to find them closed. */
const KEEP_ALIVE_MS = 120_000;

/** Node forgets a connection that became a WebSocket, and still waits for its end. */
const connections = new WeakMap<Server, Set<Socket>>();

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
  const open = new Set<Socket>();
  connections.set(server, open);
  server.on('connection', (socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
  });
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
  for (const socket of connections.get(server) ?? []) socket.destroy();
  await closed;
}
