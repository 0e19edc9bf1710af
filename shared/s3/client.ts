import type { IncomingHttpHeaders } from 'node:http';
import type {
  Condition,
  ListedObject,
  Metadata,
  ObjectContent,
  ObjectHead,
  S3Port,
  UploadedPart,
} from './s3-port.js';
import { kindOf, S3Error, wordsFor } from './s3-error.js';
import { S3Transport, type S3Settings } from './transport.js';
import {
  completedEtagOf,
  completionXml,
  errorOf,
  etagIn,
  listPageOf,
  locationXml,
  uploadIdOf,
} from './xml.js';

const METADATA = 'x-amz-meta-';
const MADE = new Set(['BucketAlreadyOwnedByYou', 'BucketAlreadyExists']);

/** The S3 port over HTTP. */
export class S3Client implements S3Port {
  private readonly transport: S3Transport;

  constructor(private readonly settings: S3Settings) {
    this.transport = new S3Transport(settings);
  }

  /** Closes idle connections. */
  close(): void {
    this.transport.close();
  }

  async *list(prefix: string, signal?: AbortSignal): AsyncGenerator<ListedObject[]> {
    let token: string | undefined;
    do {
      const { body } = await this.transport.fetch({
        method: 'GET',
        query: {
          'list-type': '2',
          prefix,
          // Without it control characters in keys come back broken.
          'encoding-type': 'url',
          ...(token === undefined ? {} : { 'continuation-token': token }),
        },
        signal,
      });
      const page = listPageOf(body.toString());
      yield page.objects;
      token = page.next;
    } while (token !== undefined);
  }

  async head(key: string): Promise<ObjectHead | null> {
    try {
      const { answer } = await this.transport.fetch({ method: 'HEAD', key });
      return headOf(answer.headers);
    } catch (error) {
      if (error instanceof S3Error && error.kind === 'missing') return null;
      throw error;
    }
  }

  async get(key: string, signal?: AbortSignal): Promise<ObjectContent> {
    const answer = await this.transport.send({ method: 'GET', key, signal });
    return { ...headOf(answer.headers), body: answer };
  }

  async put(key: string, body: Buffer, metadata: Metadata, condition: Condition) {
    const headers = { ...withPrefix(metadata), ...conditionOf(condition) };
    const { answer } = await this.transport.fetch({ method: 'PUT', key, headers, body });
    return { etag: etagIn(answer.headers.etag) };
  }

  async remove(key: string, condition: Condition): Promise<void> {
    await this.transport.fetch({ method: 'DELETE', key, headers: conditionOf(condition) });
  }

  async removeFolder(key: string): Promise<void> {
    await this.transport.fetch({ method: 'DELETE', key: `${key}/` });
  }

  async startUpload(key: string, metadata: Metadata): Promise<string> {
    const headers = withPrefix(metadata);
    const { body } = await this.transport.fetch({ method: 'POST', key, query: { uploads: '' }, headers });
    return uploadIdOf(body.toString());
  }

  async putPart(key: string, uploadId: string, number: number, body: Buffer): Promise<UploadedPart> {
    const query = { partNumber: String(number), uploadId };
    const { answer } = await this.transport.fetch({ method: 'PUT', key, query, body });
    return { number, etag: etagIn(answer.headers.etag) };
  }

  async completeUpload(key: string, uploadId: string, parts: UploadedPart[], condition: Condition) {
    const { body } = await this.transport.fetch({
      method: 'POST',
      key,
      query: { uploadId },
      headers: { 'content-type': 'application/xml', ...conditionOf(condition) },
      body: Buffer.from(completionXml(parts)),
    });
    const text = body.toString();
    // Servers send the status before they are done: a failure may come with a 200.
    const failure = errorOf(text);
    if (failure !== null) {
      const { code, message } = failure;
      throw new S3Error(kindOf(500, code), code, wordsFor(code, message), 200);
    }
    return { etag: completedEtagOf(text) };
  }

  async abortUpload(key: string, uploadId: string): Promise<void> {
    await this.transport.fetch({ method: 'DELETE', key, query: { uploadId } });
  }

  async createBucket(): Promise<void> {
    const { region, endpoint } = this.settings;
    // AWS wants its default region to go unnamed here; other servers do not look.
    const named = endpoint === undefined && region !== 'us-east-1';
    try {
      await this.transport.fetch({
        method: 'PUT',
        ...(named ? { body: Buffer.from(locationXml(region)) } : {}),
      });
    } catch (error) {
      // Somebody else made it at the same moment; whether it is for us, the next request shows.
      if (error instanceof S3Error && MADE.has(error.s3Code)) return;
      throw error;
    }
  }
}

function conditionOf(condition: Condition): Record<string, string> {
  if (condition.kind === 'none') return {};
  return condition.kind === 'absent' ? { 'if-none-match': '*' } : { 'if-match': `"${condition.etag}"` };
}

const withPrefix = (metadata: Metadata): Record<string, string> =>
  Object.fromEntries(Object.entries(metadata).map(([name, value]) => [METADATA + name, value]));

function headOf(headers: IncomingHttpHeaders): ObjectHead {
  const metadata: Metadata = {};
  for (const [name, value] of Object.entries(headers)) {
    if (name.startsWith(METADATA)) metadata[name.slice(METADATA.length)] = String(value);
  }
  const modified = Date.parse(headers['last-modified'] ?? '');
  return {
    etag: etagIn(headers.etag),
    size: Number(headers['content-length'] ?? 0),
    metadata,
    lastModifiedMs: Number.isNaN(modified) ? 0 : modified,
  };
}
