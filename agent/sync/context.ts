import type { Logger } from '../../shared/logger.js';
import type { EntryId, Keyspace } from '../../shared/bucket/keys.js';
import type { Limits } from './limits.js';
import type { S3Port } from '../../shared/s3/s3-port.js';
import type { RefusedObjects } from './refused.js';
import type { Rules } from './rules.js';
import type { Owner } from './safe-path.js';
import type { LocalState } from './state.js';

/** Sums since the agent started, for reports. */
export interface Counters {
  uploaded: number;
  downloaded: number;
  deleted: number;
  conflicts: number;
}

/** What every step of a sync works with. */
export interface SyncContext {
  s3: S3Port;
  keys: Keyspace;
  /** The workspace folder, free of links (realpath). */
  root: string;
  owner: Owner;
  /** What stays on the disk only. */
  rules: Rules;
  /** The later version of a file replaces the other one, instead of both being kept. */
  lastWriterWins: boolean;
  /** Bytes that are kept at most; of more, the largest files are left out. */
  maxBytes: number;
  state: LocalState;
  log: Logger;
  /** Milliseconds since 1970. */
  now: () => number;
  limits: Limits;
  counters: Counters;
  /** Versions of others that have a name but could not be fetched yet; key by entry. */
  wanted: Map<EntryId, string>;
  /** The bucket has a version of them that may be our own, and is not the last one: nothing there is replaced. */
  doubted: Set<EntryId>;
  /** Objects that cannot become files here. */
  refused: RefusedObjects;
  /** To be called after each step: a good time to save the state. */
  saved: () => Promise<void>;
  /** Repeats a request as this step's policy says. */
  request: <T>(send: () => Promise<T>) => Promise<T>;
}

/** What is known of an entry does not hold any more: the next cycle sends it, and keeps what it finds there. */
export function doubt({ state, doubted }: SyncContext, id: EntryId): void {
  state.delete(id);
  doubted.add(id);
}

/** Full key of an entry: the one it was found under, or the one we would choose. */
export function keyFor(context: SyncContext, id: EntryId): string {
  const known = context.state.entries.get(id)?.key;
  return known === undefined ? context.keys.keyOf(id) : context.keys.root + known;
}

/** The part of an entry that remembers an unusual key. */
export function keyNote(context: SyncContext, id: EntryId, key: string): { key?: string } {
  return key === context.keys.canonical(id) ? {} : { key: key.slice(context.keys.root.length) };
}
