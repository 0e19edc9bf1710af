import { Counter, Gauge, type Registry } from 'prom-client';
import type { Observed } from '../shared/model/observed.js';

/** How the checks of running workspaces end. */
export class HealthMetrics {
  private readonly healthy: Gauge<'workspace'>;
  private readonly checks: Counter<'result'>;
  private readonly restarts: Counter;

  constructor(registry: Registry) {
    const registers = [registry];
    this.healthy = new Gauge({
      name: 'berth_workspace_healthy',
      help: '1 unless the last three health checks of a running workspace failed',
      labelNames: ['workspace'] as const,
      registers,
    });
    this.checks = new Counter({
      name: 'berth_health_checks_total',
      help: 'Health checks of running workspaces by result',
      labelNames: ['result'] as const,
      registers,
    });
    this.restarts = new Counter({
      name: 'berth_unhealthy_restarts_total',
      help: 'Restarts of unhealthy workspaces',
      registers,
    });
  }

  /** Shows what is on record of a workspace. */
  note(workspace: string, observed: Observed | null): void {
    if (observed?.phase === 'running' && observed.health !== null)
      this.healthy.set({ workspace }, observed.health.status === 'unhealthy' ? 0 : 1);
    else this.healthy.remove({ workspace });
  }

  /** Counts what a change of the record says. */
  change(before: Observed | null, { health, unhealthyRestart }: Observed): void {
    if (health !== null && health.checkedAt !== before?.health?.checkedAt)
      this.checks.inc({ result: health.failures === 0 ? 'passed' : 'failed' });
    if (unhealthyRestart !== null && unhealthyRestart.runId !== before?.unhealthyRestart?.runId)
      this.restarts.inc();
  }
}
