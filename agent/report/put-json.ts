import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { text } from 'node:stream/consumers';

/**
 * Sends a PUT request with a JSON body, once.
 *
 * `fetch` would do, and costs 11 MiB in every workspace for as long as it runs: a second HTTP client
 * beside Node's first, compiled when it is first used.
 */
export async function putJson(
  url: string,
  token: string,
  body: unknown,
  signal: AbortSignal,
): Promise<{ status: number; text: string }> {
  const content = Buffer.from(JSON.stringify(body));
  const open = url.startsWith('https:') ? httpsRequest : httpRequest;
  const request = open(url, {
    method: 'PUT',
    headers: {
      'content-type': 'application/json',
      'content-length': content.length,
      authorization: `Bearer ${token}`,
    },
    signal,
  });
  // A signal that comes while the answer is read is told by both; without a listener it would end the agent.
  request.on('error', () => undefined);
  request.end(content);
  const [answer] = (await once(request, 'response')) as [IncomingMessage];
  return { status: answer.statusCode ?? 0, text: await text(answer) };
}
