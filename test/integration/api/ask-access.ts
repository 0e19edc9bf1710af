import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import type { Answer, TestApi } from './support.js';

export interface AccessQuestion {
  headers: Record<string, string>;
  uri: string;
  host: string;
}

/** What the gateway asks about a request. Not by fetch, which says `Sec-Fetch-Mode: cors` whatever it is told. */
export async function askAccess(
  { url }: Pick<TestApi, 'url'>,
  { headers, uri, host }: AccessQuestion,
): Promise<Pick<Answer, 'status' | 'headers' | 'body'>> {
  const forwarded = { 'X-Forwarded-Host': host, 'X-Forwarded-Method': 'GET', 'X-Forwarded-Uri': uri };
  const request = get(`${url}/access`, { headers: { ...forwarded, ...headers }, agent: false });
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  let text = '';
  for await (const piece of response) text += String(piece);
  const pairs = Object.entries(response.headers).map(([name, value]): [string, string] => [
    name,
    String(value),
  ]);
  const isJson = response.headers['content-type']?.includes('json') === true;
  const body = (isJson ? JSON.parse(text) : {}) as Answer['body'];
  return { status: response.statusCode ?? 0, headers: new Headers(pairs), body };
}
