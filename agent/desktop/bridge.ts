import net from 'node:net';
import { pipeline } from 'node:stream/promises';
import { createWebSocketStream, type WebSocket } from 'ws';
import { messageOf } from '../../shared/errors.js';
import type { Logger } from '../../shared/logger.js';

/** Bytes under way in one direction before the sender has to wait. */
const HIGH_WATER = 1024 * 1024;
/** "Try again later": the page does so by itself. */
const TRY_AGAIN_LATER = 1013;

/**
 * Connects one WebSocket with one connection to a Unix socket, until either of them ends. A slow
 * browser slows the VNC server down instead of filling the agent's memory.
 */
export function bridge(client: WebSocket, socketPath: string, log: Logger): void {
  // What the browser sends early waits in its connection.
  client.pause();
  client.on('error', () => client.terminate());
  const server = net.connect({ path: socketPath, highWaterMark: HIGH_WATER } as net.IpcNetConnectOpts);
  const refuse = (error: Error) => {
    log.warn('the desktop does not answer', { error: messageOf(error) });
    client.resume();
    client.close(TRY_AGAIN_LATER);
  };
  const away = () => server.destroy();
  server.once('error', refuse);
  client.once('close', away);
  server.once('connect', () => {
    server.off('error', refuse);
    client.off('close', away);
    join(client, server);
  });
}

function join(client: WebSocket, server: net.Socket): void {
  const stream = createWebSocketStream(client, {
    readableHighWaterMark: HIGH_WATER,
    writableHighWaterMark: HIGH_WATER,
  });
  client.resume();
  // Either side hanging up is how a session ends, whatever it is called.
  pipeline(stream, server, stream).catch(() => {
    server.destroy();
    client.terminate();
  });
}
