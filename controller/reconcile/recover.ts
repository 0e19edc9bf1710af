import { RecordConflictError } from '../../shared/errors.js';
import type { Desired } from '../../shared/model/desired.js';
import type { RecordStores } from '../../shared/store/records.js';
import { lostDeclaration } from '../plan/adopt.js';
import type { ClusterView } from '../ports/cluster.js';

/**
 * Makes the folders of records anew that are missing and, where the folder of declarations was lost, each
 * declaration that the records or the services still tell. Only then are missing files removed ones again.
 *
 * @returns ids of the workspaces that have their declaration back
 */
export async function recoverRecords(records: RecordStores, view: ClusterView): Promise<string[]> {
  const { desired, observed, reports, audit } = records;
  await Promise.all([desired, observed, reports, audit].map((folder) => folder.prepare()));
  if (await desired.isMarked()) return [];
  const recovered: string[] = [];
  const services = new Map(view.services.map((service) => [service.workspaceId, service]));
  for (const id of new Set([...(await observed.ids()), ...services.keys()])) {
    if ((await desired.read(id)).kind !== 'absent') continue;
    const read = await observed.read(id);
    const record = read.kind === 'valid' ? read.value : null;
    const declaration = lostDeclaration({
      declaration: { kind: 'absent' },
      observed: record,
      service: services.get(id) ?? null,
      folderLost: true,
    });
    if (declaration !== null && (await restore(records, id, declaration))) recovered.push(id);
  }
  await desired.mark();
  return recovered;
}

/** Writes a declaration that is not there; what somebody else has written meanwhile stays. */
export async function restore({ desired }: RecordStores, id: string, value: Desired): Promise<boolean> {
  try {
    await desired.write(id, value, { ifMatch: null });
    return true;
  } catch (error) {
    if (error instanceof RecordConflictError) return false;
    throw error;
  }
}
