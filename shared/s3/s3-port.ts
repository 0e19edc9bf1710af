import type { Readable } from 'node:stream';

/** User metadata of an object: lower-case keys, ASCII values. */
export type Metadata = Record<string, string>;

/** What must hold in the bucket for a write to happen. */
export type Condition = { kind: 'absent' } | { kind: 'match'; etag: string } | { kind: 'none' };

export interface ListedObject {
  key: string;
  /** Without quotes. */
  etag: string;
  /** Bytes. */
  size: number;
}

export interface ObjectHead {
  etag: string;
  size: number;
  metadata: Metadata;
  /** Milliseconds since 1970, as the server says. */
  lastModifiedMs: number;
}

export interface ObjectContent extends ObjectHead {
  body: Readable;
}

export interface UploadedPart {
  /** From 1. */
  number: number;
  etag: string;
}

/**
 * What the sync engine needs of an S3 server. Every method rejects with `S3Error` only; keys are full
 * object keys. One call is one try: repeating is the caller's business, since only the caller knows
 * what an ambiguous failure of a conditional write means.
 */
export interface S3Port {
  /** Pages of all objects below a prefix, in the server's order. */
  list(prefix: string, signal?: AbortSignal): AsyncIterable<ListedObject[]>;
  /** @returns null when there is no such object */
  head(key: string): Promise<ObjectHead | null>;
  get(key: string, signal?: AbortSignal): Promise<ObjectContent>;
  put(key: string, body: Buffer, metadata: Metadata, condition: Condition): Promise<{ etag: string }>;
  remove(key: string, condition: Condition): Promise<void>;
  /**
   * Removes the bare folder that some servers keep after the last object in it is gone (SeaweedFS then
   * refuses a conditional write of a file of that name). Never removes anything that is in it.
   *
   * @param key - without the trailing slash
   */
  removeFolder(key: string): Promise<void>;
  startUpload(key: string, metadata: Metadata): Promise<string>;
  putPart(key: string, uploadId: string, number: number, body: Buffer): Promise<UploadedPart>;
  completeUpload(
    key: string,
    uploadId: string,
    parts: UploadedPart[],
    condition: Condition,
  ): Promise<{ etag: string }>;
  abortUpload(key: string, uploadId: string): Promise<void>;
  createBucket(): Promise<void>;
}
