import { mkdir, readdir } from 'node:fs/promises';
import path from 'node:path';
import { codeOf } from '../errors.js';
import { archivedSchema, type Archived } from '../model/archive.js';
import type { Desired } from '../model/desired.js';
import { jsonCodec } from './codec.js';
import { RecordFile } from './record-file.js';
import type { RecordFolder } from './record-folder.js';

/** `<id>.<end>.json` in the folder of its month; an id has no dot. */
const FILE = /^([a-z][a-z0-9-]*)\.(\d{8}T\d{9}Z)\.json$/;

export interface ArchiveIndex {
  /** In alphabetical order. */
  ids: readonly string[];
  /**
   * The newest record of an id; null when there is none.
   *
   * @throws InvalidRecordError
   */
  read: (id: string) => Promise<Archived | null>;
}

/**
 * Records of workspaces that ended long ago, `archive/<yyyy-mm>/<id>.<end>.json`, and beside each the
 * file that declared it, as it was. Nothing here is ever written twice or removed by a program.
 */
export class Archive {
  constructor(
    private readonly folder: string,
    private readonly desired: Pick<RecordFolder<Desired>, 'moveAway'>,
  ) {}

  /** Keeps a record for good. Doing it twice is fine. */
  async add(archived: Archived): Promise<void> {
    const file = this.fileOf(archived);
    await mkdir(path.dirname(file), { recursive: true });
    await fileAt(file).write(archived);
  }

  /**
   * Moves the file that declared an archived workspace to its record.
   *
   * @throws RecordConflictError when it is not the declaration with this ETag any more
   */
  async takeDeclaration(archived: Archived, etag: string): Promise<void> {
    const target = this.fileOf(archived).replace(/json$/, 'yaml');
    await this.desired.moveAway(archived.observed.id, target, etag);
  }

  /**
   * The newest record of an id; null when there is none.
   *
   * @throws InvalidRecordError
   */
  async newest(id: string): Promise<Archived | null> {
    return (await this.index()).read(id);
  }

  /** All archived workspaces: whoever reads many of them lists the folder once. */
  async index(): Promise<ArchiveIndex> {
    const newest = new Map<string, { end: string; path: string }>();
    for (const { id, ...file } of await this.files()) {
      if ((newest.get(id)?.end ?? '') < file.end) newest.set(id, file);
    }
    return {
      ids: [...newest.keys()].sort(),
      read: async (id) => {
        const file = newest.get(id);
        return file === undefined ? null : fileAt(file.path).read();
      },
    };
  }

  /** Named after the end, so that an attempt that was broken off is made good, not repeated. */
  private fileOf({ archivedAt, observed }: Archived): string {
    const end = observed.stoppedAt ?? archivedAt;
    return path.join(this.folder, end.slice(0, 7), `${observed.id}.${end.replace(/[-:.]/g, '')}.json`);
  }

  private async files(): Promise<{ id: string; end: string; path: string }[]> {
    const names = await readdir(this.folder, { recursive: true }).catch((error: unknown) => {
      if (codeOf(error) === 'ENOENT') return [];
      throw error;
    });
    return names.flatMap((name) => {
      const [, id, end] = FILE.exec(path.basename(name)) ?? [];
      return id === undefined || end === undefined ? [] : [{ id, end, path: path.join(this.folder, name) }];
    });
  }
}

const fileAt = (file: string) => new RecordFile(file, jsonCodec, archivedSchema);
