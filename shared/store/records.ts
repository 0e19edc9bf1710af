import path from 'node:path';
import { desiredSchema, type Desired } from '../model/desired.js';
import { observedSchema, type Observed } from '../model/observed.js';
import { storedReportSchema, type StoredReport } from '../model/report.js';
import { systemSchema, type SystemStatus } from '../model/system.js';
import { Archive } from './archive.js';
import { Folder } from './folder.js';
import { jsonCodec, yamlCodec } from './codec.js';
import { RecordFile } from './record-file.js';
import { RecordFolder } from './record-folder.js';
import type { Markable, RecordStore } from './record-store.js';

/** All records below `BERTH_STATE_DIR`. */
export interface Records {
  desired: RecordFolder<Desired>;
  observed: RecordFolder<Observed>;
  reports: RecordFolder<StoredReport>;
  system: RecordFile<SystemStatus>;
  archive: Archive;
  /** Where the API writes who did what. */
  audit: Folder;
}

/** The same, as whoever works with them sees them. */
export interface RecordStores {
  desired: RecordStore<Desired> & Markable;
  observed: RecordStore<Observed>;
  reports: RecordStore<StoredReport>;
  system: Pick<RecordFile<SystemStatus>, 'write'>;
  archive: Pick<Archive, 'add' | 'takeDeclaration'>;
  audit: Pick<Folder, 'prepare'>;
}

/** Opens the state folder and makes the folders that are missing. */
export async function openRecords(stateDir: string): Promise<Records> {
  const desired = new RecordFolder(path.join(stateDir, 'desired'), yamlCodec, desiredSchema);
  const audit = new Folder(path.join(stateDir, 'audit'));
  const records: Records = {
    ...{ desired, audit },
    archive: new Archive(path.join(stateDir, 'archive'), desired),
    observed: new RecordFolder(path.join(stateDir, 'observed'), jsonCodec, observedSchema),
    reports: new RecordFolder(path.join(stateDir, 'reports'), jsonCodec, storedReportSchema),
    system: new RecordFile(path.join(stateDir, 'system.json'), jsonCodec, systemSchema),
  };
  await Promise.all([desired, records.observed, records.reports, audit].map((folder) => folder.prepare()));
  return records;
}
