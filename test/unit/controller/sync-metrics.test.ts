import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { Metrics } from '../../../controller/metrics.js';
import { plan } from '../../../controller/plan/plan.js';
import { Controller } from '../../../controller/runtime/controller.js';
import { systemClock } from '../../../shared/clock.js';
import { silentLogger } from '../../../shared/logger.js';
import type { Observed } from '../../../shared/model/observed.js';
import { openRecords, type Records } from '../../../shared/store/records.js';
import { FakeCluster } from '../../fakes/cluster.js';
import { declare, fullWorld, ID, inputOf, names, POLICY, reportOf, saved } from '../../support/planning.js';
import { QUIET_SYNC } from '../../support/quiet-sync.js';
import { eventually } from '../../support/swarm.js';

/** Samples of the sync series, as Prometheus reads them. */
async function samplesOf(metrics: Metrics): Promise<string[]> {
  const text = await metrics.registry.metrics();
  return text.split('\n').filter((line) => line.startsWith('berth_workspace_sync_'));
}

const BEHIND = {
  ...QUIET_SYNC,
  lastSyncAt: '2026-01-01T12:00:00.500Z',
  ...{ pendingFiles: 3, pendingBytes: 4096, failed: 2, conflicts: 1 },
};

describe('metrics of the sync', () => {
  const running = plan(inputOf(declare(), fullWorld(declare()))).observed as Observed;
  let metrics: Metrics;
  beforeEach(() => (metrics = new Metrics()));

  it('say what the newest report says', async () => {
    metrics.sync.note(ID, running, reportOf('ready', { sync: { ...BEHIND, pendingFiles: 9, conflicts: 5 } }));
    metrics.sync.note(ID, running, reportOf('ready', { sync: BEHIND }));
    expect(await samplesOf(metrics)).to.deep.equal([
      'berth_workspace_sync_last_success_timestamp_seconds{workspace="demo"} 1767268800.5',
      'berth_workspace_sync_pending_files{workspace="demo"} 3',
      'berth_workspace_sync_pending_bytes{workspace="demo"} 4096',
      'berth_workspace_sync_failed_files{workspace="demo"} 2',
      'berth_workspace_sync_conflicts_total{workspace="demo"} 1',
    ]);
  });

  it('know no time before the first sync', async () => {
    metrics.sync.note(ID, running, reportOf('restoring', { sync: QUIET_SYNC }));
    const samples = await samplesOf(metrics);
    expect(samples).to.have.length(4);
    expect(samples.join()).to.not.contain('last_success');
  });

  const stopped: Observed = { ...running, phase: 'stopped' };
  const cases: [string, number, Observed | null, ReturnType<typeof reportOf> | null][] = [
    ['are there while files of a stopped workspace wait on its volumes', 5, stopped, reportOf('finished')],
    ['go when nothing of a stopped workspace is left', 0, { ...stopped, volumes: [] }, reportOf('finished')],
    ['go with the record', 0, null, reportOf('ready')],
    ['go when a new run has not reported yet', 0, { ...running, runId: 'run-2' }, reportOf('ready')],
    ['go with the report', 0, running, null],
  ];
  for (const [what, count, observed, report] of cases) {
    it(what, async () => {
      const synced = report && { ...report, sync: BEHIND };
      metrics.sync.note('other', running, reportOf('ready', { sync: BEHIND }));
      metrics.sync.note(ID, running, reportOf('ready', { sync: BEHIND }));
      metrics.sync.note(ID, observed, synced);
      const samples = await samplesOf(metrics);
      expect(samples.filter((line) => line.includes('"demo"'))).to.have.length(count);
      expect(samples.filter((line) => line.includes('"other"'))).to.have.length(5);
    });
  }

  describe('in a controller', function () {
    this.timeout(20_000);
    let folder: string;
    let records: Records;
    let cluster: FakeCluster;
    let controller: Controller;

    beforeEach(async () => {
      folder = await mkdtemp(path.join(tmpdir(), 'berth-metrics-'));
      records = await openRecords(folder);
      await records.desired.mark();
      cluster = new FakeCluster({
        ...{ clock: systemClock, names, images: ['berth/workspace'], startMs: 1, stopMs: 1 },
        onStop: (runId) => {
          const finalSync = { ...saved, at: new Date().toISOString() };
          void records.reports.write(ID, reportOf('finished', { runId, finalSync, sync: BEHIND }));
        },
      });
      controller = new Controller({
        ...{ records, cluster, gateway: cluster, metrics },
        prober: { probe: async () => ({ vnc: null, code: null, web: null }) },
        receipts: { verify: async () => ({ kind: 'verified' }) },
        writeConditions: { probe: async () => ({ kind: 'kept' }) },
        capacity: {
          measure: async () => capacity,
          memory: async () => ({ totalBytes: 8e9, usedBytes: 1e9 }),
        },
        ...{ clock: systemClock, logger: silentLogger(), volumesOf: names.volumes, policy: POLICY },
        ...{ domain: 'berth.localhost', httpsPort: 443, parallelStarts: 8, resyncMs: 300 },
      });
    });
    afterEach(async () => {
      await controller.stop();
      await rm(folder, { recursive: true, force: true });
    });

    const observed = async () => {
      const read = await records.observed.read(ID);
      return read.kind === 'valid' ? read.value : null;
    };
    const seen = async () => (await samplesOf(metrics)).length;

    it('come with the first report, and go with the workspace', async () => {
      await controller.start();
      await records.desired.write(ID, declare());
      await eventually('a container', async () => (await observed())?.containerStarted === true);
      expect(await seen()).to.equal(0);
      const runId = (await observed())?.runId ?? '';
      await records.reports.write(ID, reportOf('ready', { runId, sync: BEHIND }));
      await eventually('series', async () => (await seen()) === 5);
      await records.desired.remove(ID);
      await eventually('an end', async () => (await observed())?.phase === 'stopped');
      await eventually('no series', async () => (await seen()) === 0);
    });

    it('go when record and volumes of unsaved files are removed by hand', async () => {
      const volumes = Object.values(names.volumes(declare()));
      for (const name of volumes) cluster.volumes.set(name, ID);
      const rescue = { attempts: 9, nextAt: '2999-01-01T00:00:00.000Z', runId: null };
      const gone = { serviceId: null, networkId: null };
      const record: Observed = { ...running, phase: 'stopped', volumes, rescue, ...gone };
      await records.observed.write(ID, record);
      await records.reports.write(ID, reportOf('finished', { sync: BEHIND }));
      await controller.start();
      await eventually('series', async () => (await seen()) === 5);
      cluster.volumes.clear();
      await records.observed.remove(ID);
      await eventually('no series', async () => (await seen()) === 0);
    });
  });
});

const capacity = {
  ...{ cpus: 1, cpuPercent: 0, memoryTotalBytes: 1, memoryUsedBytes: 0, memoryPercent: 0 },
  ...{ diskTotalBytes: 1, diskUsedBytes: 0 },
};
