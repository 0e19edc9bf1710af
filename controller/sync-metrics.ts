import { Counter, Gauge, type Registry } from 'prom-client';
import type { Observed } from '../shared/model/observed.js';
import type { StoredReport } from '../shared/model/report.js';

const labelNames = ['workspace'] as const;

/** Series `berth_workspace_sync_…`; a value of null is not known. */
const GAUGES: [name: string, help: string, valueOf: (sync: StoredReport['sync']) => number | null][] = [
  [
    'last_success_timestamp_seconds',
    'When the last sync without a failure ended',
    ({ lastSyncAt }) => (lastSyncAt === null ? null : Date.parse(lastSyncAt) / 1000),
  ],
  ['pending_files', 'Entries that are not in the bucket as they are', ({ pendingFiles }) => pendingFiles],
  ['pending_bytes', 'Bytes of the files among the pending entries', ({ pendingBytes }) => pendingBytes],
  ['failed_files', 'Entries that the last sync failed to send', ({ failed }) => failed],
];

/** What the agent of each workspace last reported of its sync. */
export class SyncMetrics {
  private readonly gauges: { gauge: Gauge<'workspace'>; valueOf: (typeof GAUGES)[number][2] }[];
  private readonly conflicts: Counter<'workspace'>;

  constructor(registry: Registry) {
    const common = (name: string, help: string) => ({
      ...{ name: `berth_workspace_sync_${name}`, help, labelNames },
      registers: [registry],
    });
    this.gauges = GAUGES.map(([name, help, valueOf]) => ({ gauge: new Gauge(common(name, help)), valueOf }));
    this.conflicts = new Counter(
      common('conflicts_total', "Versions kept beside another writer's, since the agent started"),
    );
  }

  /** Shows what a workspace's report says as long as it may have files that its bucket has not. */
  note(workspace: string, observed: Observed | null, report: StoredReport | null): void {
    this.remove(workspace);
    if (observed === null || report === null || report.runId !== observed.runId) return;
    if (observed.phase === 'stopped' && observed.volumes.length === 0) return;
    for (const { gauge, valueOf } of this.gauges) {
      const value = valueOf(report.sync);
      if (value !== null) gauge.set({ workspace }, value);
    }
    this.conflicts.inc({ workspace }, report.sync.conflicts);
  }

  private remove(workspace: string): void {
    for (const { gauge } of this.gauges) gauge.remove({ workspace });
    this.conflicts.remove({ workspace });
  }
}
