import type { ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';

/** Marks every answer that the agent gives by itself, so that probes can tell it from the user's app. */
export const AGENT_HEADER = 'x-berth-agent';

/** Answers a request with a short text or a page. */
export function answer(
  response: ServerResponse,
  status: number,
  body: string | Buffer,
  headers: Record<string, string> = {},
): void {
  const content = Buffer.from(body);
  response.writeHead(status, {
    [AGENT_HEADER]: '1',
    'content-type': 'text/plain; charset=utf-8',
    'x-content-type-options': 'nosniff',
    ...headers,
    'content-length': content.length,
  });
  // A HEAD request wants the same headers and nothing else; Node leaves the body out.
  response.end(content);
}

/** Answers an upgrade request that leads nowhere. */
export function refuseUpgrade(socket: Duplex, status: number, words: string): void {
  socket.end(
    `HTTP/1.1 ${status} ${words}\r\n${AGENT_HEADER}: 1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`,
  );
}
