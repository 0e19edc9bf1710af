import { randomBytes } from 'node:crypto';
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import * as z from 'zod';
import { codeOf, InvalidRecordError, messageOf } from '../../shared/errors.js';
import type { EntryId } from '../../shared/bucket/keys.js';
import type { Entry } from './entry.js';
import { Slices } from './slices.js';
import type { RootIdentity } from './walk.js';

/**
 * What this replica knows to be in the bucket. It lives beside the workspace, never in it, and is only
 * worth something together with the very volume that it describes.
 */
export class LocalState {
  readonly entries: Map<EntryId, Entry>;
  /** Multi-part uploads under way, with their keys. */
  readonly uploads: Map<string, string>;
  /** Something changed since the last save. */
  private changed = false;

  constructor(
    /** 8 hex digits that name this volume among all writers of the bucket. */
    readonly replica: string,
    /** Which workspace folder the entries describe; null before the first restore. */
    public identity: RootIdentity | null = null,
    /** A restore ran to its end at some time: what is missing on the disk was deleted by the user. */
    public complete = false,
    entries: Iterable<[EntryId, Entry]> = [],
    uploads: Iterable<[id: string, key: string]> = [],
  ) {
    this.entries = new Map(entries);
    this.uploads = new Map(uploads);
  }

  static fresh(): LocalState {
    return new LocalState(randomBytes(4).toString('hex'));
  }

  get dirty(): boolean {
    return this.changed;
  }

  set(id: EntryId, entry: Entry): void {
    this.entries.set(id, entry);
    this.changed = true;
  }

  delete(id: EntryId): void {
    if (this.entries.delete(id)) this.changed = true;
  }

  beginUpload(id: string, key: string): void {
    this.uploads.set(id, key);
    this.changed = true;
  }

  endUpload(id: string): void {
    if (this.uploads.delete(id)) this.changed = true;
  }

  /** Marks a restore as begun on a volume; keeps the entries only when they describe this very volume. */
  adopt(identity: RootIdentity): void {
    if (this.identity === null || !sameVolume(this.identity, identity)) {
      this.entries.clear();
      this.complete = false;
    }
    this.identity = identity;
    this.changed = true;
  }

  markComplete(): void {
    this.complete = true;
    this.changed = true;
  }

  /** Bytes and number of what is in the bucket. */
  totals(): { files: number; bytes: number } {
    let files = 0;
    let bytes = 0;
    for (const entry of this.entries.values()) {
      if (entry.kind === 'dir') continue;
      files += 1;
      bytes += entry.size;
    }
    return { files, bytes };
  }

  /** @param changed - false once the present content is on its way to the disk */
  markChanged(changed: boolean): void {
    this.changed = changed;
  }
}

/**
 * Device numbers may change when a host restarts, inode and birth time of a folder do not. Only where a
 * file system keeps no birth time does the device number decide.
 */
export function sameVolume(a: RootIdentity, b: RootIdentity): boolean {
  if (a.ino !== b.ino || a.birthtimeNs !== b.birthtimeNs) return false;
  return a.birthtimeNs !== 0n || a.dev === b.dev;
}

const bigintText = z
  .string()
  .regex(/^-?\d+$/)
  .transform(BigInt);

/** [id, kind, etag, md5, size, mtimeNs, ctimeNs, ino, mode, readAtMs, key?] */
const entryRow = z.tuple([
  z.string().min(1),
  z.enum(['file', 'symlink', 'dir']),
  z.string(),
  z.string(),
  z.number(),
  bigintText,
  bigintText,
  bigintText,
  z.number(),
  z.number(),
  z.string().nullable(),
]);

const snapshotSchema = z.object({
  version: z.literal(1),
  replica: z.string().regex(/^[0-9a-f]{8}$/),
  identity: z.object({ dev: bigintText, ino: bigintText, birthtimeNs: bigintText }).nullable(),
  complete: z.boolean(),
  entries: z.array(entryRow),
  uploads: z.array(z.tuple([z.string(), z.string()])).default([]),
});

/** The snapshot of a `LocalState` on the disk: `state.json`, replaced as a whole, durably. */
export class StateFile {
  readonly file: string;

  /** @param folder - made with mode 0700 when missing: users must not change what the agent believes */
  constructor(private readonly folder: string) {
    this.file = path.join(folder, 'state.json');
  }

  /**
   * @returns null when there is none
   * @throws InvalidRecordError when it cannot be understood; it is left in place
   */
  async load(): Promise<LocalState | null> {
    let text: string;
    try {
      text = await readFile(this.file, 'utf8');
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return null;
      throw error;
    }
    const snapshot = parse(text);
    return new LocalState(
      snapshot.replica,
      snapshot.identity,
      snapshot.complete,
      snapshot.entries.map(([id, kind, etag, md5, size, mtimeNs, ctimeNs, ino, mode, readAtMs, key]) => [
        id,
        {
          ...{ kind, etag, md5, size, mtimeNs, ctimeNs, ino, mode, readAtMs },
          ...(key === null ? {} : { key }),
        },
      ]),
      snapshot.uploads,
    );
  }

  async save(state: LocalState): Promise<void> {
    await mkdir(this.folder, { recursive: true, mode: 0o700 });
    // What changes from here on belongs to the next save, whether this one has it or not.
    state.markChanged(false);
    const text = await serialize(state);
    try {
      await this.replace(text);
    } catch (error) {
      state.markChanged(true);
      throw error;
    }
  }

  private async replace(text: string): Promise<void> {
    const temporary = `${this.file}.new`;
    const handle = await open(temporary, 'w', 0o600);
    try {
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, this.file);
    const folder = await open(this.folder, 'r');
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  }

  /** Moves a file that cannot be understood out of the way, for people to look at. */
  async setAside(): Promise<string> {
    const aside = `${this.file}.broken`;
    await rm(aside, { force: true });
    await rename(this.file, aside);
    return aside;
  }
}

function parse(text: string): z.infer<typeof snapshotSchema> {
  let data: unknown;
  try {
    data = JSON.parse(text);
  } catch (error) {
    throw new InvalidRecordError('state.json', messageOf(error));
  }
  const result = snapshotSchema.safeParse(data);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw new InvalidRecordError(
    'state.json',
    `${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'invalid'}`,
  );
}

async function serialize(state: LocalState): Promise<string> {
  const { identity, replica, complete } = state;
  const slices = new Slices();
  const entries: string[] = [];
  for (const [id, entry] of state.entries) {
    if (slices.over) await slices.rest();
    entries.push(JSON.stringify(toRow(id, entry)));
  }
  const head = JSON.stringify({
    version: 1,
    replica,
    identity: identity && {
      dev: String(identity.dev),
      ino: String(identity.ino),
      birthtimeNs: String(identity.birthtimeNs),
    },
    complete,
    uploads: [...state.uploads],
  });
  return `${head.slice(0, -1)},"entries":[${entries.join(',')}]}`;
}

const toRow = (id: EntryId, entry: Entry) => [
  id,
  entry.kind,
  entry.etag,
  entry.md5,
  entry.size,
  String(entry.mtimeNs),
  String(entry.ctimeNs),
  String(entry.ino),
  entry.mode,
  entry.readAtMs,
  entry.key ?? null,
];
