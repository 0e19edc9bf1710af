import { stat } from 'node:fs/promises';
import path from 'node:path';
import { InvalidRecordError, messageOf } from '../../shared/errors.js';
import type { Logger } from '../../shared/logger.js';
import type { Desired } from '../../shared/model/desired.js';
import type { Observed } from '../../shared/model/observed.js';
import type { StoredReport } from '../../shared/model/report.js';
import type { ArchiveIndex } from '../../shared/store/archive.js';
import type { RecordFolder } from '../../shared/store/record-folder.js';
import type { Records } from '../../shared/store/records.js';

/** What the declaration of a workspace says, and since when (the time of its last change). */
export type Declaration =
  | { kind: 'absent' }
  | { kind: 'valid'; value: Desired; etag: string; since: string }
  | { kind: 'invalid'; reason?: 'ImageNotAllowed'; problem: InvalidRecordError; since: string };

/** All that is on record about one workspace. */
export interface Facts {
  id: string;
  desired: Declaration;
  observed: Observed | null;
  report: StoredReport | null;
  /** When it went to the archive; only of what lives nowhere else. */
  archivedAt?: string;
}

/** Beyond this many different complaints the memory of them starts anew. */
const MAX_REMEMBERED = 1000;

/** Reads the records of workspaces; a broken one is complained about once and never fails a request. */
export class FactsReader {
  private readonly complaints = new Set<string>();

  constructor(
    private readonly records: Records,
    private readonly logger: Logger,
  ) {}

  /**
   * @param id - a legal workspace id
   * @throws when the declaration is there but cannot be read
   */
  async read(id: string): Promise<Facts> {
    const [desired, observed, report] = await Promise.all([
      this.declaration(id),
      this.leniently(this.records.observed, id),
      this.leniently(this.records.reports, id),
    ]);
    return { id, desired, observed, report };
  }

  /** Ids of everything declared or observed, in alphabetical order. */
  async ids(): Promise<string[]> {
    const [desired, observed] = await Promise.all([this.records.desired.ids(), this.records.observed.ids()]);
    return [...new Set([...desired, ...observed])].sort();
  }

  /** What the archive knows of an id; null: nothing. */
  async archived(id: string): Promise<Facts | null> {
    return (await this.archive()).read(id);
  }

  /** All of the archive: its ids, in alphabetical order, and how each is read. */
  async archive(): Promise<{ ids: readonly string[]; read: (id: string) => Promise<Facts | null> }> {
    const { ids, read } = await this.records.archive.index();
    return { ids, read: (id) => this.readArchived(id, read) };
  }

  private async readArchived(id: string, read: ArchiveIndex['read']): Promise<Facts | null> {
    const newest = await read(id).catch((error: unknown) => {
      this.complain('archived record is unreadable and passed over', { id, error: messageOf(error) });
      return null;
    });
    if (newest === null) return null;
    const { observed, report, archivedAt } = newest;
    return { id, desired: { kind: 'absent' }, observed, report, archivedAt };
  }

  /** Says once that a workspace is left out. */
  complainOf(id: string, error: unknown): void {
    this.complain('workspace is unreadable and left out', { id, error: messageOf(error) });
  }

  private complain(message: string, fields: Record<string, unknown>): void {
    const key = JSON.stringify([message, fields]);
    if (this.complaints.has(key)) return;
    if (this.complaints.size >= MAX_REMEMBERED) this.complaints.clear();
    this.complaints.add(key);
    this.logger.warn(message, fields);
  }

  private async declaration(id: string): Promise<Declaration> {
    const { desired } = this.records;
    const read = await desired.read(id);
    if (read.kind === 'absent') return read;
    if (read.kind === 'valid' && read.value.metadata.id === id) {
      return { ...read, since: read.value.metadata.createdAt ?? new Date(0).toISOString() };
    }
    const problem =
      read.kind === 'invalid'
        ? read.problem
        : new InvalidRecordError(
            `${id}.yaml`,
            `metadata.id is "${read.value.metadata.id}"; it must be "${id}"`,
          );
    this.complain('desired record is invalid', { id, error: problem.message });
    const since = await stat(path.join(desired.folder, problem.file)).then(
      ({ mtime }) => mtime,
      () => new Date(0),
    );
    return { kind: 'invalid', problem, since: since.toISOString() };
  }

  /** Without these records a workspace can still be shown, if only as declared. */
  private async leniently<T>(folder: RecordFolder<T>, id: string): Promise<T | null> {
    try {
      const read = await folder.read(id);
      if (read.kind === 'valid') return read.value;
      if (read.kind === 'invalid') throw read.problem;
    } catch (error) {
      this.complain('record is unreadable and passed over', { id, error: messageOf(error) });
    }
    return null;
  }
}
