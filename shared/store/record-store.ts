import type { InvalidRecordError } from '../errors.js';

/** What a read finds. An invalid record is a finding, not a failure: the other records go on. */
export type RecordRead<T> =
  | { kind: 'absent' }
  | { kind: 'valid'; value: T; etag: string }
  | { kind: 'invalid'; problem: InvalidRecordError };

export interface WriteOptions {
  /** Write only if the record still has this ETag; `null`: only if there is none. */
  ifMatch?: string | null;
}

/** Tells records that somebody removed from records that were lost with their folder. */
export interface Markable {
  /** Whether the folder is the one that was marked: what is missing in another one was lost, not removed. */
  isMarked(): Promise<boolean>;
  /** Marks the folder: from now on a missing record is one that somebody removed. */
  mark(): Promise<void>;
}

/** Records of one kind, one a workspace; what they lie on is not the caller's business. */
export interface RecordStore<T> {
  /** Makes what the records lie on, if it is missing. */
  prepare(): Promise<void>;
  read(id: string): Promise<RecordRead<T>>;
  /**
   * @returns the new ETag
   * @throws RecordConflictError when `ifMatch` no longer holds
   */
  write(id: string, value: T, options?: WriteOptions): Promise<string>;
  /** Removes a record; one that is not there is fine. */
  remove(id: string): Promise<void>;
  /** Ids of all records, in alphabetical order. */
  ids(): Promise<string[]>;
  /** Tells which record may have changed. A hint only: some get lost. */
  watch(onChange: (id: string) => void, signal: AbortSignal): void;
}
