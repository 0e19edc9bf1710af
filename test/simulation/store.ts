import type * as z from 'zod';
import { InvalidRecordError, messageOf, RecordConflictError } from '../../shared/errors.js';
import type { Archived } from '../../shared/model/archive.js';
import type { Desired } from '../../shared/model/desired.js';
import type { Observed } from '../../shared/model/observed.js';
import type { StoredReport } from '../../shared/model/report.js';
import type { Codec } from '../../shared/store/codec.js';
import type { Markable, RecordRead, RecordStore, WriteOptions } from '../../shared/store/record-store.js';

/** What the programs share. */
export interface SimRecords {
  desired: SimStore<Desired>;
  observed: SimStore<Observed>;
  reports: SimStore<StoredReport>;
}

/** Where the records of ended workspaces go. */
export interface SimArchive {
  add: (archived: Archived) => Promise<void>;
  takeDeclaration: (archived: Archived, etag: string) => Promise<void>;
}

/** What stands for the file: its text or, where only programs write, what it would say. */
interface Entry<T> {
  read: RecordRead<T>;
  text: string | null;
}

export interface SimStoreOptions<T> {
  schema: z.ZodType<T>;
  /** Missing where only programs write: their values are kept as they are, which is quicker by far. */
  codec?: Codec;
  /** False: this hint gets lost. */
  hintArrives: () => boolean;
  /** Told of each change of a record, whoever made it. */
  onChange?: (id: string, before: RecordRead<T>, after: RecordRead<T>) => void;
}

const ABSENT = { kind: 'absent' } as const;

/** A folder of records in memory. */
export class SimStore<T> implements RecordStore<T>, Markable {
  private readonly entries = new Map<string, Entry<T>>();
  private readonly watchers = new Set<(id: string) => void>();
  private versions = 0;
  private marked = true;

  constructor(private readonly options: SimStoreOptions<T>) {}

  /** What a reader would find now. */
  peek(id: string): RecordRead<T> {
    return this.entries.get(id)?.read ?? ABSENT;
  }

  /** The value of a valid record, or null. */
  valueFor(id: string): T | null {
    const read = this.peek(id);
    return read.kind === 'valid' ? read.value : null;
  }

  textOf(id: string): string | null {
    return this.entries.get(id)?.text ?? null;
  }

  /** What an editor does: any text, or none. */
  put(id: string, text: string | null): void {
    this.set(id, text === null ? null : { text, read: this.decode(id, text) });
  }

  /** Tells the watchers, whether or not something has changed. */
  hint(id: string): void {
    for (const watcher of [...this.watchers]) watcher(id);
  }

  get known(): string[] {
    return [...this.entries.keys()].sort();
  }

  /** What is wrong with a record, as a reader of its file would find. */
  problemOf(id: string): string | null {
    const result = this.options.schema.safeParse(JSON.parse(JSON.stringify(this.valueFor(id))));
    return result.success ? null : `${id}: ${result.error.message}`;
  }

  /** Somebody removes the folder with all that is in it. */
  lose(): void {
    this.marked = false;
    for (const id of this.known) this.set(id, null);
  }

  async prepare(): Promise<void> {
    // Memory is always there.
  }

  async isMarked(): Promise<boolean> {
    return this.marked;
  }

  async mark(): Promise<void> {
    this.marked = true;
  }

  /** Moves a record away, if it is still this one. */
  async take(id: string, etag: string): Promise<void> {
    const read = this.peek(id);
    if (read.kind === 'absent') return;
    if (read.kind !== 'valid' || read.etag !== etag) throw new RecordConflictError(id);
    this.set(id, null);
  }

  async read(id: string): Promise<RecordRead<T>> {
    return this.peek(id);
  }

  async write(id: string, value: T, { ifMatch }: WriteOptions = {}): Promise<string> {
    const before = this.peek(id);
    const etag = before.kind === 'valid' ? before.etag : null;
    if (ifMatch !== undefined && ifMatch !== etag) throw new RecordConflictError(id);
    const text = this.options.codec?.encode(value, this.textOf(id)) ?? null;
    const read = text === null ? this.valid(value) : this.decode(id, text);
    this.set(id, { text, read });
    return read.kind === 'valid' ? read.etag : '';
  }

  async remove(id: string): Promise<void> {
    if (this.entries.has(id)) this.set(id, null);
  }

  async ids(): Promise<string[]> {
    return this.known;
  }

  watch(onChange: (id: string) => void): void {
    this.watchers.add(onChange);
  }

  /** Whoever watched is dead. */
  forgetWatchers(): void {
    this.watchers.clear();
  }

  private set(id: string, entry: Entry<T> | null): void {
    const before = this.peek(id);
    if (entry === null) this.entries.delete(id);
    else this.entries.set(id, entry);
    this.options.onChange?.(id, before, this.peek(id));
    if (this.options.hintArrives()) this.hint(id);
  }

  private valid(value: T): RecordRead<T> {
    return { kind: 'valid', value: frozen(value), etag: String(++this.versions) };
  }

  private decode(id: string, text: string): RecordRead<T> {
    const { codec, schema } = this.options;
    try {
      return this.valid(schema.parse(codec?.decode(text, id)));
    } catch (error) {
      return { kind: 'invalid', problem: new InvalidRecordError(id, messageOf(error)) };
    }
  }
}

/** Readers share the value, so nobody may change it. */
function frozen<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  for (const part of Object.values(value)) frozen(part);
  return Object.freeze(value);
}
