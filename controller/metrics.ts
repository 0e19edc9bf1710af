import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import { PHASES, type Observed, type Phase } from '../shared/model/observed.js';
import { HealthMetrics } from './health-metrics.js';
import { SyncMetrics } from './sync-metrics.js';

/** The controller's series (docs/operations.md). Names follow Prometheus' conventions: base units, `_total`. */
export class Metrics {
  readonly registry = new Registry();

  readonly workspaces = new Gauge({
    name: 'berth_workspaces',
    help: 'Workspaces by phase',
    labelNames: ['phase'] as const,
    registers: [this.registry],
  });

  readonly startSeconds = new Histogram({
    name: 'berth_workspace_start_seconds',
    help: 'Time from the acceptance of a start until all three URLs answered',
    buckets: [0.5, 1, 1.5, 2, 3, 5, 10, 20, 60, 300],
    registers: [this.registry],
  });

  readonly stops = new Counter({
    name: 'berth_workspace_stops_total',
    help: 'Workspaces stopped, by reason',
    labelNames: ['reason'] as const,
    registers: [this.registry],
  });

  readonly unsavedStops = new Counter({
    name: 'berth_workspace_unverified_stops_total',
    help: 'Stops whose final sync was not confirmed; their volumes are kept',
    registers: [this.registry],
  });

  readonly reconciles = new Counter({
    name: 'berth_reconciles_total',
    help: 'Reconciles by result',
    labelNames: ['result'] as const,
    registers: [this.registry],
  });

  readonly reconcileSeconds = new Histogram({
    name: 'berth_reconcile_seconds',
    help: 'Duration of a reconcile',
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5],
    registers: [this.registry],
  });

  readonly queueDepth = new Gauge({
    name: 'berth_queue_depth',
    help: 'Workspaces that wait to be reconciled',
    registers: [this.registry],
  });

  readonly sweeps = new Counter({
    name: 'berth_cluster_sweeps_total',
    help: 'Listings of the Docker engine by result',
    labelNames: ['result'] as const,
    registers: [this.registry],
  });

  readonly engineUp = new Gauge({
    name: 'berth_engine_up',
    help: '1 when the last listing of the Docker engine succeeded',
    registers: [this.registry],
  });

  readonly discoveryPolls = new Counter({
    name: 'berth_discovery_polls_total',
    help: 'Polls of the gateway that were answered',
    registers: [this.registry],
  });

  readonly health = new HealthMetrics(this.registry);
  readonly sync = new SyncMetrics(this.registry);

  constructor() {
    collectDefaultMetrics({ register: this.registry, prefix: 'berth_' });
  }

  /** Counts what a change of phase says. */
  transition(before: Observed | null, after: Observed): void {
    if (after.phase === 'running' && before?.phase !== 'running' && after.acceptedAt && after.startedAt) {
      this.startSeconds.observe((Date.parse(after.startedAt) - Date.parse(after.acceptedAt)) / 1000);
    }
    if (after.phase === 'stopped' && before?.phase === 'stopping') {
      this.stops.inc({ reason: after.shutdownReason ?? 'Unknown' });
      if (after.volumes.length > 0) this.unsavedStops.inc();
    }
  }

  countPhases(counts: Record<Phase, number>): void {
    for (const phase of PHASES) this.workspaces.set({ phase }, counts[phase]);
  }
}
