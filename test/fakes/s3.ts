import { createHash, randomUUID } from 'node:crypto';
import { addAbortSignal, Readable } from 'node:stream';
import { multipartEtag } from '../../agent/sync/etag.js';
import type {
  Condition,
  ListedObject,
  Metadata,
  ObjectContent,
  ObjectHead,
  S3Port,
  UploadedPart,
} from '../../shared/s3/s3-port.js';
import { S3Error } from '../../shared/s3/s3-error.js';

export interface Stored extends ObjectHead {
  body: Buffer;
}

interface Upload {
  key: string;
  metadata: Metadata;
  parts: Map<number, Buffer>;
}

/** What happens to a request: `null` lets it through. */
export type Fault =
  | null
  /** The request never arrives. */
  | 'dropBefore'
  /** It is carried out, but the answer never arrives. */
  | 'dropAfter'
  | S3Error;

export type Call = { method: string; key: string };
/** A request on its way to the server, or its answer on the way back. */
export type Leg = 'request' | 'answer';

const PAGE = 1000;

/**
 * An S3 server in memory, as strict as SeaweedFS 4.48 and AWS about conditions: the contract suite runs
 * on it and on the real server.
 */
export class FakeS3 implements S3Port {
  readonly objects: Map<string, Stored>;
  /** Folders that keys implied, which stay when they are empty, as in SeaweedFS. */
  readonly folders: Set<string>;
  readonly uploads: Map<string, Upload>;
  /** Every request that arrived or was meant to. */
  calls: Call[] = [];
  bucketExists = true;
  /** Decides the fate of each request. */
  fault: (call: Call) => Fault = () => null;
  /** How the content of an object arrives; like an answer of Node's own, it fails unheard while nobody reads it. */
  bodyOf: (key: string, content: Buffer) => Readable = (_key, content) =>
    Readable.from(content.length === 0 ? [] : [content]).on('error', () => undefined);
  /** How long each leg takes: requests take time, so that those sent together are under way together. */
  passing = (_call: Call, leg: Leg): Promise<void> =>
    leg === 'request' ? new Promise((resolve) => setImmediate(resolve)) : Promise.resolve();
  /** Sees what was carried out, with the object before and after it. */
  carriedOut: (call: Call, before: Stored | undefined, after: Stored | undefined) => void = () => undefined;
  /** Whether a condition counts; a server that knows none would say no. */
  heeds: (call: Call, condition: Condition) => boolean = () => true;

  /** It knows no conditions, and says so. */
  refusesConditions = false;

  /** @param same - the server whose content this one shares, as another client of it */
  constructor(same?: FakeS3) {
    this.objects = same?.objects ?? new Map<string, Stored>();
    this.folders = same?.folders ?? new Set<string>();
    this.uploads = same?.uploads ?? new Map<string, Upload>();
  }

  async *list(prefix: string, signal?: AbortSignal): AsyncGenerator<ListedObject[]> {
    const keys = await this.answer(
      'list',
      prefix,
      () => [...this.objects.keys()].filter((key) => key.startsWith(prefix)).sort(byBytes),
      signal,
    );
    for (let start = 0; start < keys.length; start += PAGE) {
      yield keys.slice(start, start + PAGE).flatMap((key) => {
        const object = this.objects.get(key);
        return object ? [{ key, etag: object.etag, size: object.size }] : [];
      });
    }
  }

  head(key: string): Promise<ObjectHead | null> {
    return this.answer('head', key, () => this.objects.get(key) ?? null);
  }

  get(key: string, signal?: AbortSignal): Promise<ObjectContent> {
    const read = () => {
      const object = this.objects.get(key);
      if (!object) throw new S3Error('missing', 'NoSuchKey', 'no such key', 404);
      const body = this.bodyOf(key, object.body);
      return { ...object, body: signal ? addAbortSignal(signal, body) : body };
    };
    return this.answer('get', key, read, signal);
  }

  put(key: string, body: Buffer, metadata: Metadata, condition: Condition): Promise<{ etag: string }> {
    return this.answer('put', key, () => {
      this.check({ method: 'put', key }, condition);
      return this.store(key, body, metadata, createHash('md5').update(body).digest('hex'));
    });
  }

  remove(key: string, condition: Condition): Promise<void> {
    return this.answer('remove', key, () => {
      this.check({ method: 'remove', key }, condition);
      this.objects.delete(key);
    });
  }

  removeFolder(key: string): Promise<void> {
    return this.answer('removeFolder', key, () => {
      const inside = [...this.objects.keys(), ...this.folders].some((other) => other.startsWith(`${key}/`));
      if (!inside) this.folders.delete(key);
    });
  }

  startUpload(key: string, metadata: Metadata): Promise<string> {
    return this.answer('startUpload', key, () => {
      const id = randomUUID();
      this.uploads.set(id, { key, metadata, parts: new Map() });
      return id;
    });
  }

  putPart(key: string, uploadId: string, number: number, body: Buffer): Promise<UploadedPart> {
    return this.answer('putPart', key, () => {
      this.upload(uploadId).parts.set(number, Buffer.from(body));
      return { number, etag: createHash('md5').update(body).digest('hex') };
    });
  }

  completeUpload(key: string, uploadId: string, parts: UploadedPart[], condition: Condition) {
    return this.answer('completeUpload', key, () => {
      const upload = this.upload(uploadId);
      this.check({ method: 'completeUpload', key }, condition);
      const bodies = parts.map((part) => upload.parts.get(part.number) ?? Buffer.alloc(0));
      this.uploads.delete(uploadId);
      const digests = bodies.map((body) => createHash('md5').update(body).digest());
      return this.store(key, Buffer.concat(bodies), upload.metadata, multipartEtag(digests));
    });
  }

  abortUpload(key: string, uploadId: string): Promise<void> {
    return this.answer('abortUpload', key, () => {
      this.uploads.delete(uploadId);
    });
  }

  async createBucket(): Promise<void> {
    this.calls.push({ method: 'createBucket', key: '' });
    this.bucketExists = true;
  }

  /** Writes an object as some other tool would. */
  seed(key: string, body: string | Buffer, metadata: Metadata = {}): string {
    const content = Buffer.from(body);
    return this.store(key, content, metadata, createHash('md5').update(content).digest('hex')).etag;
  }

  text(key: string): string | undefined {
    return this.objects.get(key)?.body.toString();
  }

  private upload(id: string) {
    const upload = this.uploads.get(id);
    if (!upload) throw new S3Error('precondition', 'NoSuchUpload', 'no such upload', 404);
    return upload;
  }

  protected store(key: string, body: Buffer, metadata: Metadata, etag: string): { etag: string } {
    for (let at = key.indexOf('/'); at > 0; at = key.indexOf('/', at + 1)) this.folders.add(key.slice(0, at));
    this.objects.set(key, { etag, size: body.length, metadata, body, lastModifiedMs: 1_700_000_000_000 });
    return { etag };
  }

  private check(call: Call, condition: Condition): void {
    if (condition.kind === 'none') return;
    if (this.refusesConditions) throw new S3Error('unsupported', 'NotImplemented', 'no conditions', 501);
    if (!this.heeds(call, condition)) return;
    const { key } = call;
    const present = this.objects.get(key);
    const holds =
      condition.kind === 'absent' ? !present && !this.folders.has(key) : present?.etag === condition.etag;
    if (!holds) throw new S3Error('precondition', 'PreconditionFailed', 'a condition did not hold', 412);
  }

  private async answer<T>(method: string, key: string, work: () => T, signal?: AbortSignal): Promise<T> {
    const call = { method, key };
    this.calls.push(call);
    await this.passing(call, 'request');
    try {
      if (signal?.aborted === true) throw hungUp();
      return this.carryOut(call, work);
    } finally {
      await this.passing(call, 'answer');
    }
  }

  private carryOut<T>(call: Call, work: () => T): T {
    const fault = this.fault(call);
    if (fault instanceof S3Error) throw fault;
    if (fault === 'dropBefore') throw hungUp();
    if (!this.bucketExists) throw new S3Error('bucket', 'NoSuchBucket', 'the bucket does not exist', 404);
    const before = this.objects.get(call.key);
    const result = work();
    this.carriedOut(call, before, this.objects.get(call.key));
    if (fault === 'dropAfter') throw hungUp();
    return result;
  }
}

const hungUp = () => new S3Error('network', 'ECONNRESET', 'socket hang up');

/** S3 sorts keys by their bytes. */
const byBytes = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b));
