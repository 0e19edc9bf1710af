import { startBytes } from '../../shared/model/admission.js';
import { generationOf } from '../../shared/model/desired.js';
import type { Observed } from '../../shared/model/observed.js';
import { messageOf, TerminalError } from '../../shared/errors.js';
import type { RecordStores } from '../../shared/store/records.js';
import { inForce } from '../plan/declaration.js';
import { withHistory } from '../plan/history.js';
import { plan } from '../plan/plan.js';
import type { Action, Plan, PlanInput } from '../plan/types.js';
import type { Result } from '../runtime/work-queue.js';
import { archive } from './archiver.js';
import { execute, type ExecutorDeps } from './executor.js';
import { restore } from './recover.js';
import { createLook, type LookDeps } from './look.js';

export interface ReconcilerDeps extends LookDeps, Omit<ExecutorDeps, 'archive'> {
  records: RecordStores;
  /** Told of each change of a record. */
  onChange: (before: Observed | null, after: Observed) => void;
  /** The rules; a simulation has its own. */
  decide?: typeof plan;
}

/** Wait before the same steps are done again that were just done without an effect. */
const REPEAT_MS = 500;

/** Makes the function from a workspace's id to a result: look, decide, write down, act. */
export function createReconciler(deps: ReconcilerDeps): (id: string) => Promise<Result> {
  const lastDone = new Map<string, string>();
  const look = createLook(deps);
  const { records, clock, decide = plan } = deps;
  return async (id) => {
    const { input, etag, absence } = await look(id);
    if (absence?.kind === 'unclear') return { kind: 'requeueAfter', ms: absence.lookAgainMs };
    if (absence?.kind === 'lost') {
      deps.logger.warn('records of a workspace were lost, it is adopted', { id });
      await restore(records, id, absence.declaration);
      return { kind: 'requeueAfter', ms: 0 };
    }
    const { observed, report } = input;
    const decision = decide(input);
    // First what was decided, then the deed: after a crash the next look finds both or the record.
    const record = decision.observed && withHistory(observed, decision.observed, clock.now());
    noteStart(deps, input, decision);
    await save(deps, id, observed, record);
    const archiveIt = async () => {
      if (record !== null) await archive(records, { observed: record, report, etag }, clock.now());
    };
    let completed: boolean;
    try {
      completed = await execute(id, decision.actions, { ...deps, archive: archiveIt });
    } catch (error) {
      // A rescue is not given up: somebody may bring the image back.
      if (!(error instanceof TerminalError) || record === null) throw error;
      if (record.rescue?.runId != null) throw new Error(error.message, { cause: error });
      await halt(deps, id, record, error);
      return { kind: 'requeueAfter', ms: 0 };
    }
    if (decision.actions.length > 0 && completed) {
      // Done, and yet to be done again: the engine is behind with what it shows, and needs time, not haste.
      const done = JSON.stringify(decision.actions);
      const again = lastDone.get(id) === done;
      lastDone.set(id, done);
      return { kind: 'requeueAfter', ms: again ? REPEAT_MS : 0 };
    }
    lastDone.delete(id);
    if (decision.requeueAfterMs === null) return { kind: 'done' };
    return { kind: 'requeueAfter', ms: decision.requeueAfterMs };
  };
}

/** From the first step of a start until it runs, or ends, memory is promised to it and its turn is its own. */
function noteStart(
  { promises, starts }: LookDeps,
  { id, world }: PlanInput,
  { observed, actions }: Plan,
): void {
  if (observed?.phase !== 'starting') {
    promises.release(id);
    starts.release(id);
  } else if (observed.declared !== null && (world.service !== null || actions.some(isBeginning))) {
    // Also of a start that a controller before this one began.
    promises.promise(id, startBytes(observed.declared.spec.resources));
  } else if (world.service === null) {
    // It waits, and takes nothing meanwhile: two that wait for each other's promise would wait for ever.
    promises.release(id);
    // For something else than its turn, which others can use.
    if (!world.queued) starts.release(id);
  }
}

const isBeginning = ({ type }: Action) => type === 'createNetwork' || type === 'createService';

async function save(deps: ReconcilerDeps, id: string, before: Observed | null, after: Observed | null) {
  if (after === null || (before !== null && isSame(before, after))) return;
  await deps.records.observed.write(id, after);
  deps.onChange(before, after);
}

function isSame(before: Observed, after: Observed): boolean {
  // The history is most of a record, and is changed by being made anew.
  if (before.events !== after.events) return false;
  return JSON.stringify({ ...before, events: [] }) === JSON.stringify({ ...after, events: [] });
}

/** What can never start is written down as the end of this declaration's life. */
async function halt(deps: ReconcilerDeps, id: string, record: Observed, error: TerminalError): Promise<void> {
  const desired = inForce({ kind: 'absent' }, record);
  if (desired === null) throw error;
  const message = messageOf(error);
  deps.logger.warn('start given up', { id, message });
  const halted: Observed = {
    ...record,
    message,
    halt: { generation: generationOf(desired), reason: 'StartFailed', message },
  };
  await deps.records.observed.write(id, withHistory(record, halted, deps.clock.now()));
}
