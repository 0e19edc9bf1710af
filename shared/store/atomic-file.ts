import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { link, open, rename, rm, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import type { Adapter } from 'lowdb';
import { codeOf, InvalidRecordError, RecordConflictError } from '../errors.js';
import type { Codec } from './codec.js';

/** How a write treats what is there. */
export type WriteMode = 'replace' | 'create';

/** Without it, opening a pipe waits for somebody to write to it. */
const READ = constants.O_RDONLY | constants.O_NONBLOCK;
/** What people may put in the place of a file, as opposed to what ails a disk. */
const NOT_READABLE = new Set(['EACCES', 'EPERM', 'EISDIR', 'ELOOP', 'ENXIO', 'ENOTDIR']);

/**
 * The text of a file, or null when there is none.
 *
 * @throws InvalidRecordError when something else than a readable file has the name
 */
export async function readTextOrNull(file: string): Promise<string | null> {
  let handle: FileHandle | null = null;
  try {
    handle = await open(file, READ);
    if (!(await handle.stat()).isFile()) throw new InvalidRecordError(path.basename(file), 'is not a file');
    return await handle.readFile('utf8');
  } catch (error) {
    const code = codeOf(error) ?? '';
    if (code === 'ENOENT') return null;
    if (NOT_READABLE.has(code)) throw new InvalidRecordError(path.basename(file), `cannot be read (${code})`);
    throw error;
  } finally {
    await handle?.close();
  }
}

/**
 * A lowdb adapter that survives power loss: a reader sees the old or the new content, never a part,
 * and what was reported as written is on the disk. (lowdb's own file adapter renames but does not fsync.)
 */
export class AtomicFileAdapter<T> implements Adapter<T> {
  constructor(
    private readonly file: string,
    private readonly codec: Codec,
    private readonly mode: WriteMode = 'replace',
    private readonly permissions = 0o640,
  ) {}

  async read(): Promise<T | null> {
    const text = await readTextOrNull(this.file);
    return text === null ? null : (this.codec.decode(text, path.basename(this.file)) as T);
  }

  async write(value: T): Promise<void> {
    const previous = await readTextOrNull(this.file);
    await writeAtomically(this.file, this.codec.encode(value, previous), this.mode, this.permissions);
  }
}

async function writeAtomically(
  file: string,
  text: string,
  mode: WriteMode,
  permissions: number,
): Promise<void> {
  const folder = path.dirname(file);
  // The leading dot hides it from folder listings; the random part keeps two writers apart.
  const temporary = path.join(folder, `.${path.basename(file)}.${randomBytes(6).toString('hex')}`);
  try {
    const handle = await open(temporary, 'wx', permissions);
    try {
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    if (mode === 'create') await linkNew(temporary, file);
    else await rename(temporary, file);
  } finally {
    await rm(temporary, { force: true });
  }
  await syncFolder(folder);
}

/** Unlike rename, link fails when the name is taken: exactly one of two creators wins. */
async function linkNew(temporary: string, file: string): Promise<void> {
  try {
    await link(temporary, file);
  } catch (error) {
    if (codeOf(error) === 'EEXIST') throw new RecordConflictError(path.basename(file));
    throw error;
  }
}

/** A rename is durable only when its folder is. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
