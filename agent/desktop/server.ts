import http, { type IncomingMessage, type Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import type { Logger } from '../../shared/logger.js';
import { answer, refuseUpgrade } from '../http/own-answer.js';
import { bridge } from './bridge.js';
import type { StaticFile } from './static-files.js';

export interface DesktopOptions {
  files: ReadonlyMap<string, StaticFile>;
  /** Unix socket of the VNC server. */
  rfbSocket: string;
  log: Logger;
}

const WEBSOCKET_PATH = '/websockify';

/** Inline styles are what the VNC client sets on its canvas; everything else comes from here. */
const POLICY = [
  "default-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data: blob:",
  "connect-src 'self' ws: wss:",
  "object-src 'none'",
  "base-uri 'none'",
].join('; ');

/** The desktop's page, and the way from its WebSocket to the VNC server. */
export function createDesktopServer(options: DesktopOptions): Server {
  const sockets = new WebSocketServer({
    noServer: true,
    // Pixels are compressed already; once more costs time and a lot of memory.
    perMessageDeflate: false,
    handleProtocols: (offered) => (offered.has('binary') ? 'binary' : false),
  });
  const server = http.createServer((request, response) => {
    const file = options.files.get(pathOf(request));
    if (request.method !== 'GET' && request.method !== 'HEAD')
      answer(response, 405, 'Method not allowed\n', { allow: 'GET, HEAD' });
    else if (file === undefined) answer(response, 404, 'Not found\n');
    else
      answer(response, 200, file.body, {
        'content-type': file.type,
        'cache-control': 'no-cache',
        'content-security-policy': POLICY,
        'referrer-policy': 'no-referrer',
      });
  });
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', () => socket.destroy());
    if (pathOf(request) !== WEBSOCKET_PATH) refuseUpgrade(socket, 404, 'Not Found');
    else if (!sameOrigin(request)) refuseUpgrade(socket, 403, 'Forbidden');
    else
      sockets.handleUpgrade(request, socket, head, (client) =>
        bridge(client, options.rfbSocket, options.log),
      );
  });
  server.on('close', () => sockets.close());
  return server;
}

function pathOf(request: IncomingMessage): string {
  return (request.url ?? '/').split('?', 1)[0] ?? '/';
}

/**
 * Browsers let any page open a WebSocket to any host, with the cookies of that host: only the desktop's
 * own page may. Programs that are no browsers send no Origin.
 */
function sameOrigin(request: IncomingMessage): boolean {
  const { origin, host } = request.headers;
  if (origin === undefined) return true;
  const forwarded = request.headers['x-forwarded-host'];
  try {
    const from = new URL(origin).host;
    return from === host || from === forwarded;
  } catch {
    return false;
  }
}
