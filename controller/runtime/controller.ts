import { messageOf } from '../../shared/errors.js';
import { freeBytes } from '../../shared/model/admission.js';
import type { Clock } from '../../shared/clock.js';
import type { Logger } from '../../shared/logger.js';
import { PHASES, type Observed, type Phase } from '../../shared/model/observed.js';
import type { SystemStatus } from '../../shared/model/system.js';
import type { RecordStores } from '../../shared/store/records.js';
import type { Metrics } from '../metrics.js';
import type { Capacity } from '../ports/capacity.js';
import type { Cluster } from '../ports/cluster.js';
import { Promises } from '../reconcile/promises.js';
import { recoverRecords } from '../reconcile/recover.js';
import { createReconciler, type ReconcilerDeps } from '../reconcile/reconciler.js';
import { StartQueue } from '../reconcile/start-queue.js';
import { workspaceIds } from '../reconcile/world.js';
import { ClusterCache } from './cluster-cache.js';
import { CpuWarning } from './cpu-warning.js';
import { WorkQueue, type Result } from './work-queue.js';

const CONCURRENCY = 16;
const BACKOFF = { baseMs: 1000, maxMs: 300_000 };
/** How often is looked without a hint. */
const INTERVALS = { idleSweepMs: 2000, busySweepMs: 40, systemMs: 5000 };

export interface ControllerDeps extends Omit<
  ReconcilerDeps,
  'fresh' | 'onLook' | 'onChange' | 'promises' | 'starts'
> {
  records: RecordStores;
  cluster: Cluster;
  capacity: Capacity;
  metrics: Metrics;
  clock: Clock;
  logger: Logger;
  resyncMs: number;
  /** How many workspaces start at a time. */
  parallelStarts: number;
  intervals?: typeof INTERVALS;
  /** For the jitter of waits; a simulation has its own. */
  random?: () => number;
}

/**
 * The loop around the reconciler: files, events and sweeps are hints that put a workspace into the
 * queue; the resync puts all of them in. Nothing is remembered that could not be found again.
 */
export class Controller {
  private readonly queue: WorkQueue;
  private readonly cache: ClusterCache;
  private readonly phases = new Map<string, Phase>();
  /** Workspaces that start or stop, and do not just wait: the engine is asked often while there are any. */
  private readonly moving = new Set<string>();
  private readonly promises = new Promises();
  private readonly cpu = new CpuWarning();
  private readonly ending = new AbortController();
  private readonly timers: (() => void)[] = [];
  private cpuWarned = false;
  /** null until it was asked. */
  private engineUp: boolean | null = null;
  private engineError: unknown = new Error('the engine was not asked yet');
  private engineVersion: string | null = null;

  constructor(private readonly deps: ControllerDeps) {
    const { cluster, clock, metrics, intervals = INTERVALS } = deps;
    this.cache = new ClusterCache(cluster, {
      clock,
      idleMs: intervals.idleSweepMs,
      busyMs: intervals.busySweepMs,
      onChange: (ids) => ids.forEach((id) => this.queue.add(id)),
      onSweep: (error) => this.noteEngine(error),
    });
    const reconcile = createReconciler({
      ...deps,
      fresh: () => this.cache.fresh(),
      promises: this.promises,
      starts: new StartQueue(deps.parallelStarts, (id) => this.queue.add(id)),
      onLook: (id, observed, report) => {
        metrics.sync.note(id, observed, report);
        metrics.health.note(id, observed);
        if (observed !== null) return;
        this.phases.delete(id);
        this.moving.delete(id);
      },
      onChange: (before, after) => this.noteChange(before, after),
    });
    this.queue = new WorkQueue((id) => this.measured(id, reconcile), {
      clock,
      concurrency: CONCURRENCY,
      backoff: BACKOFF,
      random: deps.random ?? Math.random,
      onError: (id, error, failures) => {
        metrics.reconciles.inc({ result: 'error' });
        deps.logger.warn('reconcile failed, will try again', { id, failures, error: messageOf(error) });
      },
    });
  }

  async start(): Promise<void> {
    const { records, cluster, clock, resyncMs, intervals = INTERVALS } = this.deps;
    for (const id of await records.observed.ids()) {
      const read = await records.observed.read(id);
      if (read.kind !== 'valid') continue;
      this.phases.set(id, read.value.phase);
      this.noteMoving(read.value);
    }
    const { signal } = this.ending;
    records.desired.watch((id) => this.queue.add(id), signal);
    records.reports.watch((id) => this.queue.add(id), signal);
    cluster.watch(() => this.cache.hint(), signal);
    this.cache.start(() => this.moving.size > 0);
    this.every(resyncMs, () => this.resync());
    this.every(intervals.systemMs, () => this.recover());
    this.every(intervals.systemMs, () => this.writeSystem());
    this.deps.logger.info('controller started', { now: clock.now().toISOString() });
  }

  async stop(): Promise<void> {
    this.ending.abort();
    for (const cancel of this.timers) cancel();
    await this.queue.stop();
    await this.cache.stop();
  }

  /** The truth, from time to time: every workspace that is declared, recorded or exists is looked at. */
  private async resync(): Promise<void> {
    const { records } = this.deps;
    const [declared, recorded, view] = await Promise.all([
      records.desired.ids(),
      records.observed.ids(),
      this.cache.fresh(),
    ]);
    for (const id of new Set([...declared, ...recorded, ...workspaceIds(view)])) this.queue.add(id);
  }

  /** What was lost of the records is made anew from what is left. */
  private async recover(): Promise<void> {
    const view = this.cache.latest ?? (await this.cache.fresh());
    const ids = await recoverRecords(this.deps.records, view);
    if (ids.length === 0) return;
    this.deps.logger.warn('the folder of declarations was lost, they are made anew', { ids });
    await this.resync();
  }

  private async writeSystem(): Promise<void> {
    const { records, capacity, clock, cluster, metrics } = this.deps;
    const limitPercent = this.deps.policy.memoryLimitPercent;
    if (this.engineVersion === null && this.engineError === null)
      this.engineVersion = await cluster.version();
    const counts = this.countPhases();
    const host = await capacity.measure();
    metrics.countPhases(counts);
    metrics.queueDepth.set(this.queue.depth);
    const status: SystemStatus = {
      updatedAt: clock.now().toISOString(),
      docker: {
        ok: this.engineError === null,
        version: this.engineVersion,
        message: this.engineError === null ? 'The Docker engine answers.' : messageOf(this.engineError),
      },
      host,
      admission: { limitPercent, freeBytes: this.freeBytes(host) },
      warnings: this.warningsOf(host),
      workspaces: counts,
    };
    await records.system.write(status);
  }

  private freeBytes({
    memoryTotalBytes: totalBytes,
    memoryUsedBytes: usedBytes,
  }: SystemStatus['host']): number {
    const { memoryLimitPercent } = this.deps.policy;
    return freeBytes({ totalBytes, usedBytes }, this.promises.total, memoryLimitPercent);
  }

  private warningsOf({ cpuPercent, cpus }: SystemStatus['host']): string[] {
    const before = this.cpuWarned;
    this.cpuWarned = this.cpu.next(cpuPercent);
    if (before !== this.cpuWarned)
      this.deps.logger.warn(this.cpuWarned ? 'CPU is busy all the time' : 'CPU is calm again', {
        cpuPercent,
      });
    if (!this.cpuWarned) return [];
    return [`All ${cpus} CPUs have been busy for a while (${cpuPercent} % now): workspaces are slow.`];
  }

  private countPhases(): Record<Phase, number> {
    const counts = Object.fromEntries(PHASES.map((phase) => [phase, 0])) as Record<Phase, number>;
    for (const phase of this.phases.values()) counts[phase] += 1;
    return counts;
  }

  /** Runs `task` now and every `ms` milliseconds; a failure is logged and does not end it. */
  private every(ms: number, task: () => Promise<void>): void {
    const slot = this.timers.push(() => undefined) - 1;
    const run = () => {
      task()
        .catch((error: unknown) => {
          if (!this.ending.signal.aborted)
            this.deps.logger.warn('periodic task failed', { error: messageOf(error) });
        })
        .finally(() => {
          if (!this.ending.signal.aborted) this.timers[slot] = this.deps.clock.after(ms, run);
        });
    };
    run();
  }

  private async measured(id: string, reconcile: (id: string) => Promise<Result>): Promise<Result> {
    const { metrics } = this.deps;
    const done = metrics.reconcileSeconds.startTimer();
    const result = await reconcile(id);
    done();
    metrics.reconciles.inc({ result: result.kind });
    return result;
  }

  private noteChange(before: Observed | null, after: Observed): void {
    this.deps.metrics.health.change(before, after);
    if (before?.health?.status !== 'unhealthy' && after.health?.status === 'unhealthy')
      this.deps.logger.warn('workspace is unhealthy', { id: after.id, message: after.health.message });
    this.noteMoving(after);
    if (before?.phase !== after.phase) this.noteTransition(before, after);
  }

  private noteMoving(observed: Observed): void {
    const { id } = observed;
    if (!isMoving(observed)) this.moving.delete(id);
    else if (!this.moving.has(id)) {
      this.moving.add(id);
      this.cache.hint();
    }
  }

  private noteTransition(before: Observed | null, after: Observed): void {
    this.phases.set(after.id, after.phase);
    this.deps.metrics.transition(before, after);
    const { id, phase, shutdownReason, message } = after;
    this.deps.logger.info('phase changed', {
      id,
      phase,
      from: before?.phase ?? null,
      shutdownReason,
      message,
    });
  }

  private noteEngine(error: unknown): void {
    const before = this.engineUp;
    const up = error === null;
    this.engineUp = up;
    this.engineError = error;
    const { metrics, logger } = this.deps;
    metrics.sweeps.inc({ result: up ? 'ok' : 'error' });
    metrics.engineUp.set(up ? 1 : 0);
    if (before === up) return;
    if (up) {
      logger.info('engine answers');
      // What happened meanwhile was not seen.
      void this.resync().catch(() => undefined);
    } else {
      logger.error('engine does not answer, will go on asking', { error: messageOf(error) });
    }
  }
}

/** Whether something is to happen soon: not while it waits for memory, for its turn, or for a person. */
export function isMoving({ phase, conditions }: Observed): boolean {
  if (phase !== 'starting' && phase !== 'stopping') return false;
  return !conditions.some(
    ({ type, status }) =>
      ((type === 'Admitted' || type === 'Progressing') && status === 'False') ||
      (type === 'Paused' && status === 'True'),
  );
}
