import { createHash } from 'node:crypto';
import { access, link, mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { Low } from 'lowdb';
import type * as z from 'zod';
import { codeOf, InvalidRecordError, RecordConflictError } from '../errors.js';
import { ID_PATTERN } from '../model/ids.js';
import { AtomicFileAdapter, readTextOrNull, syncFolder } from './atomic-file.js';
import type { Codec } from './codec.js';
import { watchFolder } from './watch-folder.js';
import type { Markable, RecordRead, RecordStore, WriteOptions } from './record-store.js';

/** No record has a name that begins with a dot. */
const MARK = '.berth';

/** A folder of records of one kind, one file a workspace, each with a single writing program. */
export class RecordFolder<T> implements RecordStore<T>, Markable {
  /** Writers of this process, one after the other per record. */
  private readonly writes = new Map<string, Promise<unknown>>();

  constructor(
    readonly folder: string,
    private readonly codec: Codec,
    private readonly schema: z.ZodType<T>,
  ) {}

  /** Makes the folder if it is missing. */
  async prepare(): Promise<void> {
    await mkdir(this.folder, { recursive: true });
  }

  /** Whether the folder is the one that was marked: what is missing in another one was lost, not removed. */
  async isMarked(): Promise<boolean> {
    return access(path.join(this.folder, MARK)).then(
      () => true,
      (error: unknown) => {
        if (codeOf(error) === 'ENOENT') return false;
        throw error;
      },
    );
  }

  /** Marks the folder: from now on a missing record is one that somebody removed. */
  async mark(): Promise<void> {
    await this.prepare();
    await writeFile(
      path.join(this.folder, MARK),
      'Berth: a folder without this file is taken for a lost one.\n',
    );
    await syncFolder(this.folder);
  }

  async read(id: string): Promise<RecordRead<T>> {
    const file = this.fileOf(id);
    try {
      const text = await readTextOrNull(file);
      if (text === null) return { kind: 'absent' };
      const db = new Low<unknown>(new AtomicFileAdapter(file, frozen(this.codec, text)), null);
      await db.read();
      if (db.data === null) {
        // Absence means "delete this workspace": a file that only says nothing must not be taken for it.
        if ((await readTextOrNull(file)) === null) return { kind: 'absent' };
        throw new InvalidRecordError(path.basename(file), 'the file is empty');
      }
      return { kind: 'valid', value: this.validate(db.data, path.basename(file), text), etag: etagOf(text) };
    } catch (error) {
      if (error instanceof InvalidRecordError) return { kind: 'invalid', problem: error };
      throw error;
    }
  }

  /**
   * Writes a record durably.
   *
   * @returns the new ETag
   * @throws RecordConflictError when `ifMatch` no longer holds
   */
  async write(id: string, value: T, options: WriteOptions = {}): Promise<string> {
    return this.exclusively(id, async () => {
      const file = this.fileOf(id);
      if (typeof options.ifMatch === 'string') {
        const text = await readTextOrNull(file);
        if (text === null || etagOf(text) !== options.ifMatch)
          throw new RecordConflictError(path.basename(file));
      }
      const mode = options.ifMatch === null ? 'create' : 'replace';
      const db = new Low<T>(new AtomicFileAdapter(file, this.codec, mode), value);
      await db.write().catch(async (error: unknown) => {
        if (codeOf(error) !== 'ENOENT') throw error;
        // Somebody has removed the folder.
        await this.prepare();
        await db.write();
      });
      return etagOf((await readTextOrNull(file)) ?? '');
    });
  }

  /** Removes a record; one that is not there is fine. */
  async remove(id: string): Promise<void> {
    await this.exclusively(id, async () => {
      await rm(this.fileOf(id), { force: true });
      await syncFolder(this.folder);
    });
  }

  /**
   * Moves a record's file to another place of the same disk, as it is; one that is not there is fine.
   *
   * @throws RecordConflictError when it is not the record with this ETag; then it stays, or comes back
   */
  async moveAway(id: string, target: string, ifMatch: string): Promise<void> {
    await this.exclusively(id, async () => {
      const file = this.fileOf(id);
      // First moved, then looked at: what somebody writes in between is found, not lost.
      const moved = await rename(file, target).then(
        () => true,
        (error: unknown) => {
          if (codeOf(error) === 'ENOENT') return false;
          throw error;
        },
      );
      if (!moved) return;
      const text = (await readTextOrNull(target)) ?? '';
      if (etagOf(text) !== ifMatch) {
        await link(target, file).catch((error: unknown) => {
          // Somebody has already written the next one.
          if (codeOf(error) !== 'EEXIST') throw error;
        });
        await rm(target, { force: true });
        throw new RecordConflictError(path.basename(file));
      }
      await syncFolder(path.dirname(target));
      await syncFolder(this.folder);
    });
  }

  /** Ids of all records, in alphabetical order. */
  async ids(): Promise<string[]> {
    const names = await readdir(this.folder).catch((error: unknown) => {
      if (codeOf(error) === 'ENOENT') return [];
      throw error;
    });
    return names.flatMap((name) => this.idOf(name) ?? []).sort();
  }

  /**
   * Tells which record may have changed. A hint only: events get lost, so whoever relies on it also
   * lists the folder from time to time.
   */
  watch(onChange: (id: string) => void, signal: AbortSignal): void {
    watchFolder(
      this.folder,
      (name) => {
        const id = this.idOf(name);
        if (id !== undefined) onChange(id);
      },
      signal,
    );
  }

  private fileOf(id: string): string {
    // Ids come from URLs and file names; nothing else may ever become part of a path.
    if (!ID_PATTERN.test(id)) throw new InvalidRecordError(id, 'not a workspace id');
    return path.join(this.folder, `${id}${this.codec.extension}`);
  }

  private idOf(fileName: string): string | undefined {
    if (!fileName.endsWith(this.codec.extension)) return undefined;
    const id = fileName.slice(0, -this.codec.extension.length);
    return ID_PATTERN.test(id) ? id : undefined;
  }

  private validate(data: unknown, file: string, text: string): T {
    const result = this.schema.safeParse(data);
    if (result.success) return result.data;
    const issue = result.error.issues[0];
    const key = issue?.path.at(-1);
    const where = issue && issue.path.length > 0 ? `${issue.path.join('.')}: ` : '';
    throw new InvalidRecordError(file, `${where}${issue?.message ?? 'invalid'}`, lineOf(text, key));
  }

  private async exclusively<R>(id: string, task: () => Promise<R>): Promise<R> {
    const before = this.writes.get(id) ?? Promise.resolve();
    const run = before.then(task, task);
    const settled = run
      .catch(() => undefined)
      .then(() => {
        if (this.writes.get(id) === settled) this.writes.delete(id);
      });
    this.writes.set(id, settled);
    return run;
  }
}

/** Decodes the text that was already read, so that content and ETag belong together. */
function frozen(codec: Codec, text: string): Codec {
  return { ...codec, decode: (_text, file) => codec.decode(text, file) };
}

function lineOf(text: string, key: PropertyKey | undefined): number | null {
  if (typeof key !== 'string') return null;
  const index = text.split('\n').findIndex((line) => line.trimStart().replace(/^["']/, '').startsWith(key));
  return index < 0 ? null : index + 1;
}

/** A strong ETag: 16 hex digits of the content's hash. */
export function etagOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}
