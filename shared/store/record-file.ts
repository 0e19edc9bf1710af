import { randomBytes } from 'node:crypto';
import { rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { Low } from 'lowdb';
import type * as z from 'zod';
import { codeOf, InvalidRecordError } from '../errors.js';
import { AtomicFileAdapter, type WriteMode } from './atomic-file.js';
import type { Codec } from './codec.js';

/** A single record with a file of its own, such as `system.json` or `keys.yaml`. */
export class RecordFile<T> {
  constructor(
    readonly file: string,
    private readonly codec: Codec,
    private readonly schema: z.ZodType<T>,
    /** Permissions of the file, which every write sets anew. */
    private readonly permissions = 0o640,
  ) {}

  /**
   * @returns null when there is no such file
   * @throws InvalidRecordError
   */
  async read(): Promise<T | null> {
    const db = new Low<unknown>(new AtomicFileAdapter(this.file, this.codec), null);
    await db.read();
    if (db.data === null) return null;
    const result = this.schema.safeParse(db.data);
    if (result.success) return result.data;
    const issue = result.error.issues[0];
    throw new InvalidRecordError(this.file, `${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'invalid'}`);
  }

  async write(value: T): Promise<void> {
    await this.put(value, 'replace');
  }

  /** @throws RecordConflictError when there is one already */
  async create(value: T): Promise<void> {
    await this.put(value, 'create');
  }

  /** One that is not there is fine. */
  async remove(): Promise<void> {
    await rm(this.file, { force: true });
  }

  /**
   * Takes it out of the way, under a name that nobody else uses: of two who try, one has it in hand.
   *
   * @returns the record where it is now; null when there is none
   */
  async moveAway(): Promise<RecordFile<T> | null> {
    const name = `.${path.basename(this.file)}.${randomBytes(6).toString('hex')}`;
    const away = path.join(path.dirname(this.file), name);
    try {
      await rename(this.file, away);
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return null;
      throw error;
    }
    return new RecordFile(away, this.codec, this.schema, this.permissions);
  }

  private async put(value: T, mode: WriteMode): Promise<void> {
    const adapter = new AtomicFileAdapter<T>(this.file, this.codec, mode, this.permissions);
    await new Low<T>(adapter, value).write();
  }
}
