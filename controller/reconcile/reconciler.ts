import { newUid } from '../../shared/model/ids.js';
import { generationOf } from '../../shared/model/desired.js';
import type { Observed } from '../../shared/model/observed.js';
import type { StoredReport } from '../../shared/model/report.js';
import { messageOf, TerminalError } from '../../shared/errors.js';
import type { Clock } from '../../shared/clock.js';
import type { Logger } from '../../shared/logger.js';
import { urlsOf } from '../../shared/model/urls.js';
import type { Records } from '../../shared/store/records.js';
import { inForce, readDeclaration } from '../plan/declaration.js';
import { withHistory } from '../plan/history.js';
import { plan } from '../plan/plan.js';
import { receiptToVerify } from '../plan/receipt.js';
import { placeToStartAt } from '../plan/rival.js';
import { routeToProve } from '../plan/start.js';
import type { DeclarationRead, Policy } from '../plan/types.js';
import type { ClusterView } from '../ports/cluster.js';
import type { VolumeNames } from '../names.js';
import type { Prober } from '../ports/prober.js';
import type { Receipts } from '../ports/receipts.js';
import type { WriteConditions } from '../ports/write-conditions.js';
import type { Result } from '../runtime/work-queue.js';
import { execute, type ExecutorDeps } from './executor.js';
import { Places } from './places.js';
import { worldOf } from './world.js';

export interface ReconcilerDeps extends ExecutorDeps {
  volumesOf: VolumeNames;
  receipts: Receipts;
  writeConditions: WriteConditions;
  records: Records;
  /** A view of the cluster that was begun after the call. */
  fresh: () => Promise<ClusterView>;
  prober: Prober;
  clock: Clock;
  logger: Logger;
  policy: Policy;
  domain: string;
  httpsPort: number;
  /** Told at each look what is on record of a workspace. */
  onLook: (id: string, observed: Observed | null, report: StoredReport | null) => void;
  /** Told of each phase that a workspace enters. */
  onTransition: (before: Observed | null, after: Observed) => void;
}

/** Wait before the same steps are done again that were just done without an effect. */
const REPEAT_MS = 500;

/** Makes the function from a workspace's id to a result: look, decide, write down, act. */
export function createReconciler(deps: ReconcilerDeps): (id: string) => Promise<Result> {
  const lastDone = new Map<string, string>();
  const places = new Places();
  return async (id) => {
    const { records, clock, policy } = deps;
    const [desiredRead, observedRead, reportRead] = await Promise.all([
      records.desired.read(id),
      records.observed.read(id),
      records.reports.read(id),
    ]);
    const observed = observedRead.kind === 'valid' ? observedRead.value : null;
    if (observedRead.kind === 'invalid') {
      deps.logger.warn('observed record unreadable, made anew', {
        id,
        problem: observedRead.problem.message,
      });
    }
    let report = reportRead.kind === 'valid' ? reportRead.value : null;
    deps.onLook(id, observed, report);
    const view = await deps.fresh();
    const world = worldOf(id, view, observed);
    const route = routeToProve(world);
    if (route !== null && observed?.provenRoute !== route) world.routes = await deps.prober.probe(id);

    const question = receiptToVerify(world, observed, report);
    if (question !== null) world.receipt = await deps.receipts.verify(question);

    const declaration = readDeclaration(id, desiredRead, policy);
    const target = placeToStartAt(declaration, observed, world);
    if (target === null) places.release(id);
    const rival = target && places.claim(id, target, view.services);
    if (target && rival) world.rival = { ...rival, conditions: await deps.writeConditions.probe(target) };

    // Somebody may have begun to work while all this was looked up.
    if (isIdleStop(declaration)) report = await newestReport(records, id, report);

    const decision = plan({
      id,
      declaration,
      observed,
      world,
      report,
      urls: urlsOf(id, deps.domain, deps.httpsPort),
      volumesOf: deps.volumesOf,
      nextRunId: newUid(),
      now: clock.now(),
      policy,
    });
    // First what was decided, then the deed: after a crash the next look finds both or the record.
    const record = decision.observed && withHistory(observed, decision.observed, clock.now());
    await save(deps, id, observed, record);
    let completed: boolean;
    try {
      completed = await execute(id, decision.actions, deps);
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

const isIdleStop = (declaration: DeclarationRead) =>
  declaration.kind === 'valid' && declaration.desired.spec.stopReason === 'Inactivity';

async function newestReport(records: Records, id: string, last: StoredReport | null) {
  const read = await records.reports.read(id);
  return read.kind === 'valid' ? read.value : last;
}

async function save(deps: ReconcilerDeps, id: string, before: Observed | null, after: Observed | null) {
  if (after === null || JSON.stringify(before) === JSON.stringify(after)) return;
  await deps.records.observed.write(id, after);
  if (before?.phase !== after.phase) deps.onTransition(before, after);
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
