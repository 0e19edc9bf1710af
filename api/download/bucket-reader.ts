import { isUtf8 } from 'node:buffer';
import { buffer } from 'node:stream/consumers';
import { isDirId, Keyspace } from '../../shared/bucket/keys.js';
import { fromMetadata, type FileMeta } from '../../shared/bucket/metadata.js';
import { viewOf, type RemoteEntry } from '../../shared/bucket/view.js';
import { toS3Failure } from '../../shared/s3/body-error.js';
import { retrying, type RetryPolicy } from '../../shared/s3/retry.js';
import { S3Error } from '../../shared/s3/s3-error.js';
import type { ListedObject, ObjectContent, ObjectHead, S3Port } from '../../shared/s3/s3-port.js';
import { ahead } from './ahead.js';
import { END_OF_TAR, headerOf, paddingOf } from './tar-format.js';

/** Objects of at most this many bytes are fetched whole, and before their turn. */
const SMALL = 512 * 1024;
/** So many of them; together with `SMALL`, this bounds the memory of a download. */
const AHEAD = 16;
/** Longest target that Linux takes for a symbolic link. */
const MAX_LINK_BYTES = 4095;
/** Answers that may break off before an object is given up. */
const MAX_BREAKS = 3;

export interface ReaderOptions {
  s3: S3Port;
  /** The workspace's prefix in the bucket. */
  prefix: string;
  /** Ends all requests. */
  signal: AbortSignal;
  /** Told of objects that cannot be files. */
  onRefused: (refused: { key: string; reason: string }[]) => void;
  retry?: RetryPolicy;
}

const RETRY: RetryPolicy = { attempts: 3, baseMs: 250, maxMs: 2_000 };

/** What is known of all objects is held in memory: some 130,000 with names of usual length. */
const MAX_LIST_BYTES = 32 * 1024 ** 2;
const ENTRY_BYTES = 200;

/** Pieces of an archive, to be sent one after the other. */
type Pieces = Iterable<Buffer> | AsyncIterable<Buffer>;

/** Reads the files of a workspace out of its bucket, as a start would restore them. */
export class BucketReader {
  constructor(private readonly options: ReaderOptions) {}

  /**
   * All files as a tar, in pieces. Each piece is made when it is asked for, but for a few small objects
   * that are fetched ahead. An object that was removed since it was listed is left out.
   *
   * @throws S3Error also in the middle: what came before is no whole archive
   */
  async *tar(): AsyncGenerator<Buffer> {
    const entries = await this.entries();
    for await (const pieces of ahead(entries, AHEAD, (entry) => this.read(entry))) yield* pieces;
    yield END_OF_TAR;
  }

  /** What there is, folders first. */
  private async entries(): Promise<RemoteEntry[]> {
    const keys = new Keyspace(this.options.prefix);
    const listed = await this.request(async () => {
      const objects: ListedObject[] = [];
      let bytes = 0;
      for await (const page of this.options.s3.list(keys.root, this.options.signal)) {
        for (const { key } of page) bytes += key.length + ENTRY_BYTES;
        if (bytes > MAX_LIST_BYTES) throw tooMany(objects.length);
        objects.push(...page);
      }
      return objects;
    });
    const { entries, refused } = viewOf(listed, keys);
    if (refused.length > 0) this.options.onRefused(refused);
    const all = [...entries.values()];
    return [...all.filter(({ id }) => isDirId(id)), ...all.filter(({ id }) => !isDirId(id))];
  }

  private async read(entry: RemoteEntry): Promise<Pieces> {
    if (isDirId(entry.id)) return this.readFolder(entry);
    return entry.size > SMALL ? this.readLarge(entry) : this.readSmall(entry);
  }

  private async readFolder(entry: RemoteEntry): Promise<Pieces> {
    const head = await this.request(() => this.options.s3.head(entry.key));
    if (head === null) return [];
    const meta = fromMetadata(head.metadata);
    const mode = (meta.mode ?? 0o755) & 0o3777;
    return [headerOf({ kind: 'dir', path: entry.id, mode, mtime: mtimeOf(meta, head), size: 0 })];
  }

  private async readSmall(entry: RemoteEntry): Promise<Pieces> {
    const object = await this.request(async () => {
      const found = await this.get(entry.key);
      if (found === null || found.size > SMALL) return found;
      return { ...found, content: await wholeOf(found) };
    });
    if (object === null) return [];
    if (!('content' in object)) {
      // It has grown since it was listed.
      object.body.destroy();
      return this.readLarge(entry);
    }
    const meta = fromMetadata(object.metadata);
    if (meta.kind === 'symlink') return this.link(entry, meta, object, object.content);
    return [fileHeader(entry, meta, object), object.content, paddingOf(object.size)];
  }

  private link(entry: RemoteEntry, meta: FileMeta, object: ObjectHead, target: Buffer): Pieces {
    const isTarget = target.length > 0 && target.length <= MAX_LINK_BYTES && !target.includes(0);
    if (!isTarget) return this.refuse(entry, 'it is marked as a link, but holds no link target');
    if (!isUtf8(target)) return this.refuse(entry, 'the target of the link is not valid UTF-8');
    const mtime = mtimeOf(meta, object);
    return [
      headerOf({ kind: 'symlink', path: entry.id, mode: 0o777, mtime, size: 0, target: target.toString() }),
    ];
  }

  /** Asks for the object only when its turn comes. */
  private async *readLarge(entry: RemoteEntry): AsyncGenerator<Buffer> {
    const object = await this.request(() => this.get(entry.key));
    if (object === null) return;
    // It may fail while the header still waits to be sent, and is found to have failed when it is read.
    object.body.on('error', () => undefined);
    const meta = fromMetadata(object.metadata);
    if (meta.kind === 'symlink') {
      object.body.destroy();
      yield* this.refuse(entry, 'it is marked as a link, but holds no link target');
      return;
    }
    yield fileHeader(entry, meta, object);
    yield* this.contentOf(entry.key, object);
    yield paddingOf(object.size);
  }

  /**
   * The content of one version of an object. An answer that breaks off is asked for once more, and what
   * was sent already is passed over: servers do not wait for ever for a client that takes its time.
   */
  private async *contentOf(key: string, first: ObjectContent): AsyncGenerator<Buffer> {
    let sent = 0;
    let object = first;
    for (let breaks = 1; ; breaks++) {
      try {
        let skip = sent;
        for await (const chunk of object.body as AsyncIterable<Buffer>) {
          const news = chunk.subarray(skip);
          skip -= chunk.length - news.length;
          sent += news.length;
          yield news;
        }
        if (sent === first.size) return;
        throw new Error(`the answer ended after ${sent} of ${first.size} bytes`);
      } catch (error) {
        this.options.signal.throwIfAborted();
        if (breaks >= MAX_BREAKS) throw toS3Failure(error, object.body);
      }
      object = await this.request(() => this.options.s3.get(key, this.options.signal));
      if (object.etag !== first.etag)
        throw new S3Error('precondition', 'ObjectReplaced', `${key} was replaced while it was read`);
    }
  }

  /** @returns null when there is no such object any more */
  private async get(key: string): Promise<ObjectContent | null> {
    try {
      return await this.options.s3.get(key, this.options.signal);
    } catch (error) {
      if (error instanceof S3Error && error.kind === 'missing') return null;
      throw error;
    }
  }

  private refuse({ key }: RemoteEntry, reason: string): Buffer[] {
    this.options.onRefused([{ key, reason }]);
    return [];
  }

  private request<T>(send: () => Promise<T>): Promise<T> {
    const { retry = RETRY, signal } = this.options;
    return retrying(retry, send, { signal });
  }
}

/** @throws S3Error when the answer breaks off */
async function wholeOf({ body, size }: ObjectContent): Promise<Buffer> {
  try {
    const content = await buffer(body);
    if (content.length === size) return content;
    throw new Error(`the answer ended after ${content.length} of ${size} bytes`);
  } catch (error) {
    throw toS3Failure(error, body);
  }
}

function fileHeader(entry: RemoteEntry, meta: FileMeta, object: ObjectHead): Buffer {
  // No set-uid bits out of a bucket that others may write to.
  const mode = (meta.mode ?? 0o644) & 0o777;
  return headerOf({ kind: 'file', path: entry.id, mode, mtime: mtimeOf(meta, object), size: object.size });
}

function mtimeOf(meta: FileMeta, { lastModifiedMs }: ObjectHead): number {
  return meta.mtime ?? lastModifiedMs / 1000;
}

function tooMany(atLeast: number): S3Error {
  const message = `the workspace has more than ${atLeast} files, too many for an archive: copy them with rclone or aws s3`;
  return new S3Error('bucket', 'TooManyObjects', message);
}
