import path from 'node:path';
import { desiredSchema, type Desired } from '../model/desired.js';
import { observedSchema, type Observed } from '../model/observed.js';
import { storedReportSchema, type StoredReport } from '../model/report.js';
import { systemSchema, type SystemStatus } from '../model/system.js';
import { jsonCodec, yamlCodec } from './codec.js';
import { RecordFile } from './record-file.js';
import { RecordFolder } from './record-folder.js';

/** All records below `BERTH_STATE_DIR`. */
export interface Records {
  desired: RecordFolder<Desired>;
  observed: RecordFolder<Observed>;
  reports: RecordFolder<StoredReport>;
  system: RecordFile<SystemStatus>;
}

/** Opens the state folder and makes the folders that are missing. */
export async function openRecords(stateDir: string): Promise<Records> {
  const records: Records = {
    desired: new RecordFolder(path.join(stateDir, 'desired'), yamlCodec, desiredSchema),
    observed: new RecordFolder(path.join(stateDir, 'observed'), jsonCodec, observedSchema),
    reports: new RecordFolder(path.join(stateDir, 'reports'), jsonCodec, storedReportSchema),
    system: new RecordFile(path.join(stateDir, 'system.json'), jsonCodec, systemSchema),
  };
  await Promise.all([records.desired.prepare(), records.observed.prepare(), records.reports.prepare()]);
  return records;
}
