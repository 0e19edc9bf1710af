import { messageOf } from '../../shared/errors.js';
import type { Clock } from '../../shared/clock.js';
import type { Logger } from '../../shared/logger.js';
import { PHASES, type Observed, type Phase } from '../../shared/model/observed.js';
import type { SystemStatus } from '../../shared/model/system.js';
import type { Records } from '../../shared/store/records.js';
import type { Metrics } from '../metrics.js';
import type { Capacity } from '../ports/capacity.js';
import type { Cluster } from '../ports/cluster.js';
import { createReconciler, type ReconcilerDeps } from '../reconcile/reconciler.js';
import { workspaceIds } from '../reconcile/world.js';
import { ClusterCache } from './cluster-cache.js';
import { WorkQueue, type Result } from './work-queue.js';

const CONCURRENCY = 16;
const BACKOFF = { baseMs: 1000, maxMs: 300_000 };
const IDLE_SWEEP_MS = 2000;
const BUSY_SWEEP_MS = 40;
const SYSTEM_INTERVAL_MS = 5000;

export interface ControllerDeps extends Omit<ReconcilerDeps, 'fresh' | 'onLook' | 'onTransition'> {
  records: Records;
  cluster: Cluster;
  capacity: Capacity;
  metrics: Metrics;
  clock: Clock;
  logger: Logger;
  resyncMs: number;
}

/**
 * The loop around the reconciler: files, events and sweeps are hints that put a workspace into the
 * queue; the resync puts all of them in. Nothing is remembered that could not be found again.
 */
export class Controller {
  private readonly queue: WorkQueue;
  private readonly cache: ClusterCache;
  private readonly phases = new Map<string, Phase>();
  private readonly ending = new AbortController();
  private readonly timers: (() => void)[] = [];
  /** null until it was asked. */
  private engineUp: boolean | null = null;
  private engineError: unknown = new Error('the engine was not asked yet');
  private engineVersion: string | null = null;

  constructor(private readonly deps: ControllerDeps) {
    const { cluster, clock, metrics } = deps;
    this.cache = new ClusterCache(cluster, {
      clock,
      idleMs: IDLE_SWEEP_MS,
      busyMs: BUSY_SWEEP_MS,
      onChange: (ids) => ids.forEach((id) => this.queue.add(id)),
      onSweep: (error) => this.noteEngine(error),
    });
    const reconcile = createReconciler({
      ...deps,
      fresh: () => this.cache.fresh(),
      onLook: (id, observed, report) => metrics.sync.note(id, observed, report),
      onTransition: (before, after) => this.noteTransition(before, after),
    });
    this.queue = new WorkQueue((id) => this.measured(id, reconcile), {
      clock,
      concurrency: CONCURRENCY,
      backoff: BACKOFF,
      onError: (id, error, failures) => {
        metrics.reconciles.inc({ result: 'error' });
        deps.logger.warn('reconcile failed, will try again', { id, failures, error: messageOf(error) });
      },
    });
  }

  async start(): Promise<void> {
    const { records, cluster, clock, resyncMs } = this.deps;
    for (const id of await records.observed.ids()) {
      const read = await records.observed.read(id);
      if (read.kind === 'valid') this.phases.set(id, read.value.phase);
    }
    const { signal } = this.ending;
    records.desired.watch((id) => this.queue.add(id), signal);
    records.reports.watch((id) => this.queue.add(id), signal);
    cluster.watch(() => this.cache.hint(), signal);
    this.cache.start(() =>
      [...this.phases.values()].some((phase) => phase === 'starting' || phase === 'stopping'),
    );
    this.every(resyncMs, () => this.resync());
    this.every(SYSTEM_INTERVAL_MS, () => this.writeSystem());
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

  private async writeSystem(): Promise<void> {
    const { records, capacity, clock, cluster, metrics } = this.deps;
    if (this.engineVersion === null && this.engineError === null)
      this.engineVersion = await cluster.version();
    const counts = this.countPhases();
    metrics.countPhases(counts);
    metrics.queueDepth.set(this.queue.depth);
    const status: SystemStatus = {
      updatedAt: clock.now().toISOString(),
      docker: {
        ok: this.engineError === null,
        version: this.engineVersion,
        message: this.engineError === null ? 'The Docker engine answers.' : messageOf(this.engineError),
      },
      host: await capacity.measure(),
      workspaces: counts,
    };
    await records.system.write(status);
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
    // A workspace that moves is looked at often from now on.
    this.cache.hint();
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
