import { desiredSchema, type Desired } from '../../shared/model/desired.js';
import type { Observed } from '../../shared/model/observed.js';
import type { ServiceState } from '../ports/cluster.js';
import { RESCUE_GENERATION } from './record.js';
import type { DeclarationRead } from './types.js';

export interface Finding {
  declaration: DeclarationRead;
  observed: Observed | null;
  service: ServiceState | null;
  /** The folder of the declarations was lost, not emptied file by file. */
  folderLost: boolean;
}

/**
 * The declaration of a workspace whose records were lost, to be written anew; null when nothing speaks for
 * a loss: a file that somebody removed means that the workspace shall end.
 */
export function lostDeclaration({ declaration, observed, service, folderLost }: Finding): Desired | null {
  if (declaration.kind !== 'absent') return null;
  if (observed !== null) return folderLost && !wasRemoved(observed) ? observed.declared : null;
  // Its record goes after its service: one that is there without the other was not removed by anybody.
  const told = service === null ? null : readLabel(service.declaration);
  if (told === null || service === null) return null;
  const ending = service.replicas === 0 || service.generation === RESCUE_GENERATION;
  // Its files may be on its volumes only: it is kept on record until they are saved.
  return ending ? { ...told, spec: { ...told.spec, state: 'stopped' } } : told;
}

/** Its file was removed before the others were lost: it ends, or has ended, although it was declared to run. */
function wasRemoved({ phase, shutdownReason, declared, halt }: Observed): boolean {
  if (shutdownReason === 'OperatorRequest') return true;
  const wanted = declared?.spec.state === 'running' && declared.metadata.deletionRequestedAt === undefined;
  return phase === 'stopped' && wanted && halt === null;
}

function readLabel(text: string | null): Desired | null {
  if (text === null) return null;
  try {
    return desiredSchema.safeParse(JSON.parse(text)).data ?? null;
  } catch {
    return null;
  }
}
