import { setMaxListeners } from 'node:events';
import { BerthError, messageOf } from '../../shared/errors.js';
import type { Logger } from '../../shared/logger.js';
import { S3Error } from '../../shared/s3/s3-error.js';
import { Problem } from '../problem.js';
import type { Buckets } from './buckets.js';
import { BucketReader } from './bucket-reader.js';

/** Downloads at once: each holds some megabytes and keeps the S3 server busy. */
const MAX_DOWNLOADS = 4;
/** Who reads slowly shall not have all of them. */
const MAX_FOR_A_KEY = 3;
/** Of many objects that cannot be files the log names some. */
const MAX_NAMED = 20;

export interface DownloadsOptions {
  buckets: Buckets;
  logger: Logger;
}

/** Workspaces' files, read from their buckets. */
export class Downloads {
  /** Ids of the keys whose downloads are under way, one for each. */
  private readonly running: string[] = [];

  constructor(private readonly options: DownloadsOptions) {}

  /**
   * Hands the files of a workspace, as its bucket has them, to `send`: a tar in pieces. It is called only
   * once the first piece is there; a failure after that is thrown where the pieces are read.
   *
   * @param key - id of the API key that asks
   * @param gone - aborted when nobody wants the files any more
   * @throws Problem `BERTH_WORKSPACE_UNKNOWN`, `BERTH_SPEC_INVALID`, `BERTH_BUSY`, `BERTH_NOT_READY`,
   *   `BERTH_S3_REFUSED`, `BERTH_S3_UNAVAILABLE`
   */
  async tar(
    id: string,
    { bucket, prefix }: { bucket: string; prefix: string },
    key: string,
    gone: AbortSignal,
    send: (pieces: AsyncIterable<Buffer>) => Promise<void>,
  ): Promise<void> {
    this.begin(key);
    const ended = new AbortController();
    const signal = AbortSignal.any([gone, ended.signal]);
    // One listener a request under way is no leak.
    setMaxListeners(0, signal);
    let close = () => {};
    try {
      const opened = await this.open(bucket);
      close = () => opened.close();
      const reader = new BucketReader({
        ...{ s3: opened.s3, prefix, signal },
        onRefused: (refused) => this.tellRefused(id, refused),
      });
      await send(await begun(this.watched(id, bucket, reader.tar(), signal)));
    } finally {
      ended.abort();
      close();
      this.running.splice(this.running.indexOf(key), 1);
    }
  }

  private begin(key: string): void {
    const own = this.running.filter((other) => other === key).length;
    if (own >= MAX_FOR_A_KEY) throw busy(`${own} downloads of this key`);
    if (this.running.length >= MAX_DOWNLOADS) throw busy(`${this.running.length} downloads`);
    this.running.push(key);
  }

  private async open(bucket: string) {
    try {
      return await this.options.buckets(bucket);
    } catch (error) {
      if (!(error instanceof BerthError)) throw error;
      throw new Problem('BERTH_NOT_READY', `The S3 keys cannot be read: ${error.message}.`, { cause: error });
    }
  }

  /** Says what went wrong, as long as there is somebody who wants to know. */
  private async *watched(
    id: string,
    bucket: string,
    pieces: AsyncIterable<Buffer>,
    signal: AbortSignal,
  ): AsyncGenerator<Buffer> {
    try {
      yield* pieces;
    } catch (error) {
      if (!signal.aborted)
        this.options.logger.warn('download failed', { id, bucket, error: messageOf(error) });
      throw error instanceof S3Error ? problemOf(error, bucket) : error;
    }
  }

  private tellRefused(id: string, refused: { key: string; reason: string }[]): void {
    this.options.logger.warn('objects left out of a download: they cannot become files', {
      id,
      count: refused.length,
      objects: refused.slice(0, MAX_NAMED),
    });
  }
}

/** Waits for the first piece: what fails before it can still be answered as a problem. */
async function begun(pieces: AsyncGenerator<Buffer>): Promise<AsyncIterable<Buffer>> {
  const first = await pieces.next();
  return (async function* () {
    if (first.done !== true) yield first.value;
    yield* pieces;
  })();
}

function problemOf(error: S3Error, bucket: string): Problem {
  const detail = `The S3 server does not give the files in the bucket ${bucket}: ${error.message}`;
  return error.transient
    ? new Problem('BERTH_S3_UNAVAILABLE', detail, { headers: { 'Retry-After': '10' }, cause: error })
    : new Problem('BERTH_S3_REFUSED', detail, { cause: error });
}

function busy(underWay: string): Problem {
  return new Problem('BERTH_BUSY', `${underWay} are under way already; try again.`, {
    headers: { 'Retry-After': '10' },
  });
}
