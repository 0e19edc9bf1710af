import { createHash } from 'node:crypto';
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import type { Socket } from 'node:net';
import aws4 from 'aws4';
import { codeOf, messageOf } from '../errors.js';
import { collect } from './collect.js';
import { kindOf, S3Error, wordsFor } from './s3-error.js';
import { errorOf } from './xml.js';

/** Which bucket, and where. */
export interface S3Address {
  bucket: string;
  region: string;
  /** URL of an S3 server other than AWS; undefined for AWS itself. */
  endpoint: string | undefined;
}

export type S3Settings = S3Address & (Credentials | { session: CredentialSource });

export interface Credentials {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string | undefined;
}

/** Credentials that hold for some time only. */
export interface CredentialSource {
  /** @throws S3Error when there are none (for the moment) */
  current(): Promise<Credentials>;
  /** The server does not take these any more. */
  refused(credentials: Credentials): void;
}

export interface S3Request {
  method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE';
  /** undefined speaks of the bucket itself. */
  key?: string;
  query?: Record<string, string>;
  headers?: Record<string, string>;
  body?: Buffer;
  signal?: AbortSignal | undefined;
}

const CONNECT_TIMEOUT_MS = 3_000;
/** Longest silence on an open connection. */
const IDLE_TIMEOUT_MS = 15_000;
const MAX_SOCKETS = 64;
/** By these a server says that credentials have ended; others, of servers with a store of sessions, too. */
const STALE = new Set(['ExpiredToken', 'InvalidToken', 'InvalidAccessKeyId']);
/** Errors are told in a few hundred bytes. */
const MAX_ERROR_BYTES = 64 * 1024;

/**
 * Sends signed requests (Signature Version 4) to one bucket. One call is one try. The body is part of
 * the signature, so a server refuses what arrives damaged.
 */
export class S3Transport {
  private readonly origin: URL;
  private readonly folder: string;
  private readonly agent: HttpAgent | HttpsAgent;
  private readonly open: typeof httpRequest;
  /** How far the server's clock is ahead of ours, ms; known once it refused a request for that. */
  private clockOffsetMs = 0;

  constructor(private readonly settings: S3Settings) {
    const { origin, folder } = addressOf(settings);
    this.origin = origin;
    this.folder = folder;
    const secure = origin.protocol === 'https:';
    this.agent = new (secure ? HttpsAgent : HttpAgent)({ keepAlive: true, maxSockets: MAX_SOCKETS });
    this.open = secure ? httpsRequest : httpRequest;
  }

  /** Closes idle connections. */
  close(): void {
    this.agent.destroy();
  }

  /**
   * @returns the answer, whose body has to be read or destroyed
   * @throws S3Error for everything but a 2xx; the signal's reason
   */
  async send(request: S3Request): Promise<IncomingMessage> {
    if (!('session' in this.settings)) return this.sendWith(request, this.settings);
    const { session } = this.settings;
    const held = await session.current();
    try {
      return await this.sendWith(request, held);
    } catch (error) {
      if (!(await this.isStale(error, request, held))) throw error;
      session.refused(held);
      return this.sendWith(request, await session.current());
    }
  }

  /** Whether it was the credentials' end. The answer to a HEAD has no body to say so: a GET is asked for it. */
  private async isStale(error: unknown, request: S3Request, held: Credentials): Promise<boolean> {
    if (!(error instanceof S3Error)) return false;
    if (STALE.has(error.s3Code)) return true;
    if (request.method !== 'HEAD' || (error.status !== 403 && error.status !== 400)) return false;
    try {
      const answer = await this.sendWith({ ...request, method: 'GET' }, held);
      answer.destroy();
      return false;
    } catch (refusal) {
      return refusal instanceof S3Error && STALE.has(refusal.s3Code);
    }
  }

  private async sendWith(request: S3Request, credentials: Credentials): Promise<IncomingMessage> {
    let answer: IncomingMessage;
    try {
      answer = await this.exchange(request, credentials);
    } catch (error) {
      if (request.signal?.aborted) throw request.signal.reason;
      throw networkError(error);
    }
    const status = answer.statusCode ?? 0;
    if (status >= 200 && status < 300) return answer;
    throw await this.refusal(answer, status);
  }

  /** As `send`, with the whole body. */
  async fetch(request: S3Request): Promise<{ answer: IncomingMessage; body: Buffer }> {
    const answer = await this.send(request);
    try {
      return { answer, body: await collect(answer) };
    } catch (error) {
      if (request.signal?.aborted) throw request.signal.reason;
      throw networkError(error);
    }
  }

  private exchange(request: S3Request, credentials: Credentials): Promise<IncomingMessage> {
    const { method, body } = request;
    const { accessKeyId, secretAccessKey, sessionToken } = credentials;
    const { region } = this.settings;
    const signed = aws4.sign(
      {
        service: 's3',
        region,
        method,
        host: this.origin.host,
        path: this.pathOf(request),
        headers: {
          'x-amz-date': this.now()
            .toISOString()
            .replace(/[-:]|\.\d{3}/g, ''),
          'x-amz-content-sha256': body === undefined ? EMPTY_SHA256 : sha256(body),
          ...(method === 'PUT' || method === 'POST' ? { 'content-length': String(body?.length ?? 0) } : {}),
          ...request.headers,
        },
      },
      { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) },
    );
    return new Promise((resolve, reject) => {
      const sent = this.open({
        agent: this.agent,
        protocol: this.origin.protocol,
        hostname: this.origin.hostname.replace(/^\[|\]$/g, ''),
        port: this.origin.port,
        method,
        path: signed.path,
        headers: signed.headers as Record<string, string>,
        timeout: IDLE_TIMEOUT_MS,
        ...(request.signal === undefined ? {} : { signal: request.signal }),
      });
      sent.on('socket', limitConnecting);
      let answer: IncomingMessage | null = null;
      sent.on('timeout', () => {
        // Who reads slowly is no reason to give up.
        if (answer !== null && answer.readableLength > 0) sent.setTimeout(IDLE_TIMEOUT_MS);
        else sent.destroy(timedOut(`no sign of life for ${IDLE_TIMEOUT_MS / 1000} s`));
      });
      sent.on('error', reject);
      sent.on('response', (message) => resolve((answer = message)));
      sent.end(body);
    });
  }

  private now(): Date {
    return new Date(Date.now() + this.clockOffsetMs);
  }

  private pathOf({ key, query }: S3Request): string {
    const path = `${this.folder}${key === undefined ? '' : `/${key.split('/').map(encode).join('/')}`}`;
    const search = Object.entries(query ?? {}).map(([name, value]) => `${name}=${encode(value)}`);
    return (path === '' ? '/' : path) + (search.length > 0 ? `?${search.join('&')}` : '');
  }

  private async refusal(answer: IncomingMessage, status: number): Promise<S3Error> {
    const text = await textOf(answer);
    const { code, message } = errorOf(text) ?? { code: codeWithoutBody(status), message: '' };
    // The next try is signed with the server's time.
    const serverTime = Date.parse(answer.headers.date ?? '');
    if (code === 'RequestTimeTooSkewed' && !Number.isNaN(serverTime))
      this.clockOffsetMs = serverTime - Date.now();
    return new S3Error(kindOf(status, code), code, wordsFor(code, message), status);
  }
}

/** Where the bucket is: AWS wants its name in the host name, other servers in the path. */
export function addressOf({ bucket, region, endpoint }: S3Address): { origin: URL; folder: string } {
  if (endpoint !== undefined) {
    const url = new URL(endpoint);
    return { origin: url, folder: `${url.pathname.replace(/\/+$/, '')}/${bucket}` };
  }
  const domain = region.startsWith('cn-') ? 'amazonaws.com.cn' : 'amazonaws.com';
  const host = `s3.${region}.${domain}`;
  // No certificate holds for a name with more dots.
  if (bucket.includes('.')) return { origin: new URL(`https://${host}`), folder: `/${bucket}` };
  return { origin: new URL(`https://${bucket}.${host}`), folder: '' };
}

const sha256 = (data: Buffer) => createHash('sha256').update(data).digest('hex');
const EMPTY_SHA256 = sha256(Buffer.alloc(0));

/** As RFC 3986 has it: everything but letters, digits and `-_.~`. */
const encode = (text: string) =>
  encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);

function limitConnecting(socket: Socket): void {
  if (!socket.connecting) return;
  const timer = setTimeout(
    () => socket.destroy(timedOut(`no connection within ${CONNECT_TIMEOUT_MS / 1000} s`)),
    CONNECT_TIMEOUT_MS,
  );
  const done = () => clearTimeout(timer);
  socket.once('connect', done).once('close', done);
}

const timedOut = (message: string) => Object.assign(new Error(message), { code: 'ETIMEDOUT' });

function networkError(error: unknown): S3Error {
  const code = codeOf(error) ?? 'NetworkError';
  return new S3Error('network', code, wordsFor(code, messageOf(error)), null, { cause: error });
}

/** HEAD has no body, and proxies have bodies of their own. */
const codeWithoutBody = (status: number) => (status === 404 ? 'NotFound' : `HTTP${status}`);

async function textOf(answer: IncomingMessage): Promise<string> {
  let text = '';
  try {
    for await (const chunk of answer.setEncoding('utf8')) {
      text += chunk as string;
      if (text.length > MAX_ERROR_BYTES) break;
    }
  } catch {
    // The status says enough.
  }
  return text;
}
