import { createHash } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import aws4 from 'aws4';
import type { Credentials } from '../../../shared/s3/transport.js';

export interface Raw {
  method: string;
  /** Sent as it is, with its query. */
  path: string;
  body?: string;
  headers?: Record<string, string>;
  service?: 's3' | 'sts' | 'iam';
}

/** A request as somebody makes it who has the keys and no client's manners; null: unsigned. */
export async function signed(endpoint: string, keys: Credentials | null, raw: Raw) {
  const { method, path, body = '', service = 's3' } = raw;
  const url = new URL(endpoint);
  const headers: Record<string, string> = {
    ...(service === 's3'
      ? { 'x-amz-content-sha256': createHash('sha256').update(body).digest('hex') }
      : { 'content-type': 'application/x-www-form-urlencoded' }),
    ...raw.headers,
  };
  const plain = { service, region: 'us-east-1', method, host: url.host, path, headers, body };
  const { accessKeyId = '', secretAccessKey = '', sessionToken } = keys ?? {};
  const own = { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) };
  const sent = keys === null ? plain : aws4.sign(plain, own);
  const request = httpRequest({
    ...{ host: url.hostname, port: url.port, method, path: sent.path },
    headers: sent.headers as Record<string, string>,
  });
  request.end(body);
  const [answer] = (await once(request, 'response')) as [IncomingMessage];
  const content = await text(answer);
  const code = /<Code>([^<]+)/.exec(content)?.[1] ?? '';
  return { status: answer.statusCode ?? 0, code, content };
}
