import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { namesOf } from '../../../controller/names.js';
import { Promises } from '../../../controller/reconcile/promises.js';
import { createReconciler } from '../../../controller/reconcile/reconciler.js';
import { StartQueue } from '../../../controller/reconcile/start-queue.js';
import { silentLogger } from '../../../shared/logger.js';
import { startBytes } from '../../../shared/model/admission.js';
import { openRecords, type Records } from '../../../shared/store/records.js';
import { FakeClock } from '../../fakes/clock.js';
import { FakeCluster } from '../../fakes/cluster.js';
import { declare, ID, POLICY } from '../../support/planning.js';

describe('Controller: memory that is promised to a start', () => {
  let folder: string;
  let records: Records;
  let answers: boolean;
  let usedBytes: number;
  const clock = new FakeClock();

  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'berth-reconciler-'));
    records = await openRecords(folder);
    await records.desired.mark();
    answers = false;
    usedBytes = 1e9;
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  it('is promised by each controller, until the workspace runs and has taken it', async () => {
    const desired = declare();
    await records.desired.write(ID, desired);
    const cluster = new FakeCluster({ clock, names: namesOf('berth'), images: ['berth/workspace'] });
    const need = startBytes(desired.spec.resources);
    const first = controller(cluster);
    await first.until(async () => [...cluster.tasks.values()].some(({ state }) => state === 'running'));
    expect(first.promises.total).to.equal(need);
    const second = controller(cluster);
    expect(second.promises.total).to.equal(0);
    await second.look();
    expect(second.promises.total).to.equal(need);
    answers = true;
    await second.until(async () => (await phase()) === 'running');
    expect(second.promises.total).to.equal(0);
  });

  it('is free again while it waits: two starts never wait for what is promised to the other', async () => {
    await records.desired.write(ID, declare());
    const cluster = new FakeCluster({ clock, names: namesOf('berth'), images: ['berth/workspace'] });
    const one = controller(cluster);
    await one.until(async () => cluster.networks.size === 1);
    expect(one.promises.total).to.be.above(0);
    usedBytes = 7.9e9;
    await one.look();
    expect([cluster.services.size, one.promises.total]).to.deep.equal([0, 0]);
  });

  async function phase(): Promise<string> {
    const read = await records.observed.read(ID);
    return read.kind === 'valid' ? read.value.phase : read.kind;
  }

  function controller(cluster: FakeCluster) {
    const promises = new Promises();
    const reconcile = createReconciler({
      ...{ records, cluster, clock, promises },
      gateway: cluster,
      fresh: () => cluster.observe(),
      prober: {
        probe: async () => {
          const fault = answers ? null : { by: 'workspace' as const, message: 'not yet' };
          return { vnc: fault, code: fault, web: fault };
        },
      },
      receipts: { verify: async () => ({ kind: 'verified' }) },
      writeConditions: { probe: async () => ({ kind: 'kept' }) },
      capacity: { memory: async () => ({ totalBytes: 8e9, usedBytes }) },
      starts: new StartQueue(1),
      logger: silentLogger(),
      volumesOf: namesOf('berth').volumes,
      policy: POLICY,
      domain: 'berth.localhost',
      httpsPort: 443,
      onLook: () => undefined,
      onChange: () => undefined,
    });
    const look = async () => {
      await reconcile(ID);
      await clock.advance(1_000);
    };
    const until = async (reached: () => Promise<boolean>) => {
      for (let looks = 0; looks < 50; looks++) {
        await look();
        if (await reached()) return;
      }
      throw new Error('not reached');
    };
    return { promises, look, until };
  }
});
