import { freeBytes } from '../../shared/model/admission.js';
import { newUid } from '../../shared/model/ids.js';
import type { Clock } from '../../shared/clock.js';
import type { Logger } from '../../shared/logger.js';
import type { Observed } from '../../shared/model/observed.js';
import type { StoredReport } from '../../shared/model/report.js';
import { urlsOf } from '../../shared/model/urls.js';
import type { RecordStores } from '../../shared/store/records.js';
import { isPaused, readDeclaration } from '../plan/declaration.js';
import { healthIsDue } from '../plan/health.js';
import { receiptToVerify } from '../plan/receipt.js';
import { placeToStartAt } from '../plan/rival.js';
import { routeToProve } from '../plan/start.js';
import type { DeclarationRead, PlanInput, Policy } from '../plan/types.js';
import type { VolumeNames } from '../names.js';
import type { Capacity } from '../ports/capacity.js';
import type { ClusterView } from '../ports/cluster.js';
import type { Prober } from '../ports/prober.js';
import type { Receipts } from '../ports/receipts.js';
import type { WriteConditions } from '../ports/write-conditions.js';
import { Absences, type Absence } from './absences.js';
import { Places } from './places.js';
import type { Promises } from './promises.js';
import type { StartQueue } from './start-queue.js';
import { worldOf } from './world.js';

export interface LookDeps {
  records: Pick<RecordStores, 'desired' | 'observed' | 'reports'>;
  /** A view of the cluster that was begun after the call. */
  fresh: () => Promise<ClusterView>;
  prober: Prober;
  receipts: Receipts;
  writeConditions: WriteConditions;
  capacity: Pick<Capacity, 'memory'>;
  promises: Promises;
  starts: StartQueue;
  clock: Clock;
  logger: Logger;
  policy: Policy;
  volumesOf: VolumeNames;
  domain: string;
  httpsPort: number;
  /** Told at each look what is on record of a workspace. */
  onLook: (id: string, observed: Observed | null, report: StoredReport | null) => void;
  /** Where names of runs come from; a simulation has its own. */
  newRunId?: () => string;
}

/** What a look found: all that a decision is made of. */
export interface Look {
  input: PlanInput;
  /** Of the declaration; null when there is no valid one. */
  etag: string | null;
  /** What it means that there is no declaration; null: there is one. */
  absence: Absence | null;
}

/** Makes the function that finds out all that a decision about one workspace needs. Changes nothing. */
export function createLook(deps: LookDeps): (id: string) => Promise<Look> {
  const places = new Places();
  const absences = new Absences(deps.records.desired, deps.clock);
  const { records, clock, policy, promises, starts, newRunId = newUid } = deps;
  const begun = clock.now().toISOString();
  return async (id) => {
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
    const report = reportRead.kind === 'valid' ? reportRead.value : null;
    deps.onLook(id, observed, report);
    const view = await deps.fresh();
    const declaration = readDeclaration(id, desiredRead, policy);
    const world = worldOf(id, view, observed);
    if (declaration.kind !== 'absent') absences.forget(id);
    const absence =
      declaration.kind === 'absent' ? await absences.judge(id, { observed, service: world.service }) : null;
    const input: PlanInput = {
      id,
      declaration,
      observed,
      world,
      report,
      urls: urlsOf(id, deps.domain, deps.httpsPort),
      volumesOf: deps.volumesOf,
      nextRunId: newRunId(),
      now: clock.now(),
      policy,
    };
    if (isPaused(declaration, observed)) {
      places.release(id);
      starts.release(id);
    } else await askAround(input, view);
    return { input: { ...input, now: clock.now() }, etag: etagOf(desiredRead), absence };
  };

  /** Asks those outside of the cluster what the decision will depend on, and nobody else. */
  async function askAround(input: PlanInput, view: ClusterView): Promise<void> {
    const { id, declaration, observed, world } = input;
    // While the view is fresh: who was not in it has to find the claim.
    const target = placeToStartAt(declaration, observed, world);
    if (target === null) places.release(id);
    const rival = target && places.claim(id, target, view);

    const route = routeToProve(world);
    if (route !== null && (observed?.provenRoute !== route || healthIsDue(observed, clock.now(), policy)))
      world.routes = await deps.prober.probe(id);

    const question = receiptToVerify(world, observed, input.report);
    if (question !== null) world.receipt = await deps.receipts.verify(question);

    if (target && rival) world.rival = { ...rival, conditions: await deps.writeConditions.probe(target) };

    // Somebody may have begun to work while all this was looked up.
    if (isIdleStop(declaration)) input.report = await newestReport(id, input.report);

    const memory = target === null ? null : await deps.capacity.memory();
    // From here to the promise nothing else can come in between.
    if (memory !== null)
      world.freeBytes = freeBytes(memory, promises.toOthers(id), policy.memoryLimitPercent);
    if (target !== null) world.queued = !starts.request(id, isAwaited(declaration, begun));
  }

  async function newestReport(id: string, last: StoredReport | null) {
    const read = await records.reports.read(id);
    return read.kind === 'valid' ? read.value : last;
  }
}

const etagOf = (read: { kind: string; etag?: string }) => read.etag ?? null;

/** Whether it was asked for just now: what is only started again after a restart can wait. */
function isAwaited(declaration: DeclarationRead, since: string): boolean {
  if (declaration.kind !== 'valid') return false;
  const { startRequestedAt, createdAt } = declaration.desired.metadata;
  return (startRequestedAt ?? createdAt ?? '') > since;
}

const isIdleStop = (declaration: DeclarationRead) =>
  declaration.kind === 'valid' && declaration.desired.spec.stopReason === 'Inactivity';
