import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import type { Readable } from 'node:stream';
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
  type BucketLocationConstraint,
} from '@aws-sdk/client-s3';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import { codeOf, messageOf } from '../errors.js';
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

export interface AwsSettings {
  bucket: string;
  region: string;
  /** URL of an S3 server other than AWS; undefined for AWS itself. */
  endpoint: string | undefined;
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string | undefined;
}

const CONNECT_TIMEOUT_MS = 3_000;
/** Longest silence on an open connection. */
const IDLE_TIMEOUT_MS = 15_000;
const MAX_SOCKETS = 64;

/** The S3 port on Amazon's SDK. */
export class AwsS3 implements S3Port {
  private readonly client: S3Client;
  private readonly bucket: string;

  constructor(private readonly settings: AwsSettings) {
    this.bucket = settings.bucket;
    this.client = new S3Client({
      region: settings.region,
      ...(settings.endpoint === undefined ? {} : { endpoint: settings.endpoint, forcePathStyle: true }),
      credentials: {
        accessKeyId: settings.accessKeyId,
        secretAccessKey: settings.secretAccessKey,
        ...(settings.sessionToken === undefined ? {} : { sessionToken: settings.sessionToken }),
      },
      // A repeated conditional write meets its own success as a 412; only the engine can tell them apart.
      maxAttempts: 1,
      requestHandler: new NodeHttpHandler({
        connectionTimeout: CONNECT_TIMEOUT_MS,
        socketTimeout: IDLE_TIMEOUT_MS,
        httpAgent: new HttpAgent({ keepAlive: true, maxSockets: MAX_SOCKETS }),
        httpsAgent: new HttpsAgent({ keepAlive: true, maxSockets: MAX_SOCKETS }),
      }),
    });
  }

  /** Closes idle connections. */
  close(): void {
    this.client.destroy();
  }

  async *list(prefix: string, signal?: AbortSignal): AsyncGenerator<ListedObject[]> {
    let token: string | undefined;
    do {
      const page = await this.send(() =>
        this.client.send(
          new ListObjectsV2Command({
            Bucket: this.bucket,
            Prefix: prefix,
            // Without it control characters in keys come back broken.
            EncodingType: 'url',
            ContinuationToken: token,
          }),
          abortable(signal),
        ),
      );
      yield (page.Contents ?? []).map((object) => ({
        key: decodeListed(object.Key ?? ''),
        etag: unquote(object.ETag),
        size: object.Size ?? 0,
      }));
      token = page.IsTruncated === true ? page.NextContinuationToken : undefined;
    } while (token !== undefined);
  }

  async head(key: string): Promise<ObjectHead | null> {
    try {
      const head = await this.send(() =>
        this.client.send(new HeadObjectCommand({ Bucket: this.bucket, Key: key })),
      );
      return {
        etag: unquote(head.ETag),
        size: head.ContentLength ?? 0,
        metadata: head.Metadata ?? {},
        lastModifiedMs: head.LastModified?.getTime() ?? 0,
      };
    } catch (error) {
      if (error instanceof S3Error && error.kind === 'missing') return null;
      throw error;
    }
  }

  async get(key: string, signal?: AbortSignal): Promise<ObjectContent> {
    const object = await this.send(() =>
      this.client.send(new GetObjectCommand({ Bucket: this.bucket, Key: key }), abortable(signal)),
    );
    return {
      etag: unquote(object.ETag),
      size: object.ContentLength ?? 0,
      metadata: object.Metadata ?? {},
      lastModifiedMs: object.LastModified?.getTime() ?? 0,
      body: object.Body as Readable,
    };
  }

  async put(key: string, body: Buffer, metadata: Metadata, condition: Condition) {
    const answer = await this.send(() =>
      this.client.send(
        new PutObjectCommand({
          Bucket: this.bucket,
          Key: key,
          Body: body,
          ContentLength: body.length,
          Metadata: metadata,
          ...conditionOf(condition),
        }),
      ),
    );
    return { etag: unquote(answer.ETag) };
  }

  async remove(key: string, etag: string): Promise<void> {
    await this.send(() =>
      this.client.send(new DeleteObjectCommand({ Bucket: this.bucket, Key: key, IfMatch: `"${etag}"` })),
    );
  }

  async removeFolder(key: string): Promise<void> {
    await this.send(() => this.client.send(new DeleteObjectCommand({ Bucket: this.bucket, Key: `${key}/` })));
  }

  async startUpload(key: string, metadata: Metadata): Promise<string> {
    const answer = await this.send(() =>
      this.client.send(
        new CreateMultipartUploadCommand({ Bucket: this.bucket, Key: key, Metadata: metadata }),
      ),
    );
    return answer.UploadId ?? '';
  }

  async putPart(key: string, uploadId: string, number: number, body: Buffer): Promise<UploadedPart> {
    const answer = await this.send(() =>
      this.client.send(
        new UploadPartCommand({
          Bucket: this.bucket,
          Key: key,
          UploadId: uploadId,
          PartNumber: number,
          Body: body,
          ContentLength: body.length,
        }),
      ),
    );
    return { number, etag: unquote(answer.ETag), crc32: answer.ChecksumCRC32 };
  }

  async completeUpload(key: string, uploadId: string, parts: UploadedPart[], condition: Condition) {
    const answer = await this.send(() =>
      this.client.send(
        new CompleteMultipartUploadCommand({
          Bucket: this.bucket,
          Key: key,
          UploadId: uploadId,
          MultipartUpload: {
            Parts: parts.map((part) => ({
              PartNumber: part.number,
              ETag: `"${part.etag}"`,
              ...(part.crc32 === undefined ? {} : { ChecksumCRC32: part.crc32 }),
            })),
          },
          ...conditionOf(condition),
        }),
      ),
    );
    return { etag: unquote(answer.ETag) };
  }

  async abortUpload(key: string, uploadId: string): Promise<void> {
    await this.send(() =>
      this.client.send(
        new AbortMultipartUploadCommand({ Bucket: this.bucket, Key: key, UploadId: uploadId }),
      ),
    );
  }

  async createBucket(): Promise<void> {
    // AWS wants its default region to go unnamed here; other servers do not look.
    const constraint =
      this.settings.endpoint === undefined && this.settings.region !== 'us-east-1'
        ? {
            CreateBucketConfiguration: {
              LocationConstraint: this.settings.region as BucketLocationConstraint,
            },
          }
        : {};
    try {
      await this.send(() =>
        this.client.send(new CreateBucketCommand({ Bucket: this.bucket, ...constraint })),
      );
    } catch (error) {
      // Somebody else made it at the same moment.
      if (error instanceof S3Error && error.s3Code === 'BucketAlreadyOwnedByYou') return;
      throw error;
    }
  }

  private async send<T>(request: () => Promise<T>): Promise<T> {
    try {
      return await request();
    } catch (error) {
      throw toS3Error(error);
    }
  }
}

const abortable = (signal: AbortSignal | undefined) => (signal ? { abortSignal: signal } : {});

const conditionOf = (condition: Condition) =>
  condition.kind === 'absent' ? { IfNoneMatch: '*' } : { IfMatch: `"${condition.etag}"` };

const unquote = (etag: string | undefined) => (etag ?? '').replace(/^"|"$/g, '');

function decodeListed(key: string): string {
  try {
    return decodeURIComponent(key.replace(/\+/g, ' '));
  } catch {
    return key;
  }
}

/** Turns whatever the SDK throws into the engine's terms. */
export function toS3Error(error: unknown): S3Error {
  if (error instanceof S3Error) return error;
  const failure = error as { name?: string; $metadata?: { httpStatusCode?: number } };
  const status = failure.$metadata?.httpStatusCode ?? null;
  const nameless =
    failure.name === undefined || failure.name === 'Error' || /^(UnknownError|\d+)$/.test(failure.name);
  const code =
    codeOf(error) ?? (nameless ? (status === null ? 'NetworkError' : `HTTP${status}`) : (failure.name ?? ''));
  return new S3Error(kindOf(status, code), code, wordsFor(code, messageOf(error)), status, { cause: error });
}
