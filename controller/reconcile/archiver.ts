import { RecordConflictError } from '../../shared/errors.js';
import type { Observed } from '../../shared/model/observed.js';
import type { StoredReport } from '../../shared/model/report.js';
import type { RecordStores } from '../../shared/store/records.js';
import { NotYetError } from '../ports/errors.js';

export interface Archivable {
  observed: Observed;
  report: StoredReport | null;
  /** Of the declaration; null when there is none. */
  etag: string | null;
}

/**
 * Moves all records of a workspace to the archive. The copy is made first and the record that leads here
 * goes last, so that what is broken off is done again.
 *
 * @throws NotYetError when its declaration was changed meanwhile
 */
export async function archive(
  records: RecordStores,
  { observed, report, etag }: Archivable,
  now: Date,
): Promise<void> {
  const { id } = observed;
  const archived = { archivedAt: now.toISOString(), observed, report };
  await records.archive.add(archived);
  try {
    if (etag !== null) await records.archive.takeDeclaration(archived, etag);
  } catch (error) {
    if (error instanceof RecordConflictError) throw new NotYetError(error.message);
    throw error;
  }
  await records.reports.remove(id);
  await records.observed.remove(id);
}
