import http, { type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { answer, refuseUpgrade } from '../http/own-answer.js';
import { dial } from './dial.js';
import { endToEnd, toFields } from './headers.js';
import { waitingPage } from './waiting-page.js';

/** Says on answers of the agent's own that nothing listens on the app's port yet. */
export const WAITING_HEADER = 'x-berth-web';

/**
 * Passes everything to the user's app on a loopback port, or shows a friendly page while nothing
 * listens there. It never listens on the app's own port, which belongs to the user.
 */
export function createWebProxy(appPort: number): Server {
  const server = http.createServer((request, response) => {
    passOn(request, response, appPort).catch(() => response.destroy());
  });
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', () => socket.destroy());
    passUpgrade(request, socket, head, appPort).catch(() => socket.destroy());
  });
  return server;
}

async function passOn(request: IncomingMessage, response: ServerResponse, appPort: number): Promise<void> {
  const socket = await dial(appPort);
  if (socket === null) return wait(request, response, appPort);
  const outgoing = http.request({
    createConnection: () => socket,
    method: request.method,
    path: request.url,
    headers: forwarded(request),
    setHost: false,
  });
  let answered = false;
  response.on('close', () => socket.destroy());
  outgoing.on('error', () => {
    // An app may answer and hang up before it has read all of a request: its answer counts.
    if (!answered) broken(response);
  });
  outgoing.on('response', (incoming) => {
    answered = true;
    try {
      response.writeHead(
        incoming.statusCode ?? 502,
        incoming.statusMessage ?? '',
        toFields(endToEnd(incoming.rawHeaders)),
      );
    } catch {
      // Node takes answers that it does not give: odd numbers, control characters in the words beside them.
      incoming.destroy();
      response.statusMessage = '';
      return broken(response);
    }
    // Server-sent events begin with headers that must not wait for the first event.
    response.flushHeaders();
    pipeline(incoming, response).catch(() => response.destroy());
  });
  await pipeline(request, outgoing).catch(() => undefined);
}

function forwarded(request: IncomingMessage): Record<string, string | string[]> {
  // "Expect: 100-continue" was answered by this server already.
  const fields = toFields(endToEnd(request.rawHeaders, ['expect']));
  if (request.headers['transfer-encoding'] !== undefined) fields['Transfer-Encoding'] = 'chunked';
  return { ...fields, Connection: 'close' };
}

function wait(request: IncomingMessage, response: ServerResponse, appPort: number): void {
  const marks = { [WAITING_HEADER]: 'waiting', 'cache-control': 'no-store' };
  if (request.method === 'GET' || request.method === 'HEAD') {
    const page = waitingPage(appPort);
    answer(response, 200, page, { ...marks, 'content-type': 'text/html; charset=utf-8' });
    return;
  }
  request.resume();
  answer(response, 503, `Nothing listens on port ${appPort} yet.\n`, { ...marks, 'retry-after': '2' });
}

/** The app took the connection and hung up. */
function broken(response: ServerResponse): void {
  if (response.headersSent) response.destroy();
  else
    answer(response, 502, 'The app closed the connection without an answer.\n', {
      'cache-control': 'no-store',
    });
}

async function passUpgrade(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  appPort: number,
): Promise<void> {
  const upstream = await dial(appPort);
  if (upstream === null) return refuseUpgrade(socket, 503, 'Service Unavailable');
  socket.on('close', () => upstream.destroy());
  const outgoing = http.request({
    createConnection: () => upstream,
    method: request.method,
    path: request.url,
    headers: {
      ...toFields(endToEnd(request.rawHeaders)),
      Connection: 'Upgrade',
      Upgrade: request.headers.upgrade ?? 'websocket',
    },
    setHost: false,
  });
  outgoing.on('error', () => refuseUpgrade(socket, 502, 'Bad Gateway'));
  outgoing.on('upgrade', (incoming, connection: Socket, first: Buffer) => {
    socket.write(rawHead(incoming, ['Connection: Upgrade', `Upgrade: ${incoming.headers.upgrade ?? ''}`]));
    if (first.length > 0) socket.write(first);
    if (head.length > 0) connection.write(head);
    tie(socket, connection);
  });
  outgoing.on('response', (incoming) => {
    // The app said no; its reasons are for the client.
    socket.write(rawHead(incoming, ['Connection: close']));
    pipeline(incoming, socket).catch(() => socket.destroy());
  });
  outgoing.end();
}

function rawHead(message: IncomingMessage, more: readonly string[]): string {
  const fields = endToEnd(message.rawHeaders).map(([name, value]) => `${name}: ${value}`);
  const status = `HTTP/1.1 ${message.statusCode} ${message.statusMessage}`;
  return `${[status, ...fields, ...more].join('\r\n')}\r\n\r\n`;
}

function tie(a: Duplex, b: Duplex): void {
  for (const [from, to] of [
    [a, b],
    [b, a],
  ] as const) {
    from.on('error', () => to.destroy());
    from.on('close', () => to.destroy());
    from.pipe(to);
  }
}
