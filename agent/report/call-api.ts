import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { text } from 'node:stream/consumers';

/**
 * Sends a request to the API, once; a PUT has a JSON body.
 *
 * `fetch` would do, and costs 11 MiB in every workspace for as long as it runs: a second HTTP client
 * beside Node's first, compiled when it is first used.
 */
export async function callApi(
  method: 'GET' | 'PUT',
  url: string,
  { token, body, signal }: { token: string; body?: unknown; signal: AbortSignal },
): Promise<{ status: number; text: string }> {
  const content = body === undefined ? null : Buffer.from(JSON.stringify(body));
  const open = url.startsWith('https:') ? httpsRequest : httpRequest;
  const request = open(url, {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      ...(content && { 'content-type': 'application/json', 'content-length': content.length }),
    },
    signal,
  });
  // A signal that comes while the answer is read is told by both; without a listener it would end the agent.
  request.on('error', () => undefined);
  request.end(content ?? undefined);
  const [answer] = (await once(request, 'response')) as [IncomingMessage];
  return { status: answer.statusCode ?? 0, text: await text(answer) };
}
