import { mkdtemp, rm } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import fc from 'fast-check';
import { silentLogger } from '../../../shared/logger.js';
import type { Desired } from '../../../shared/model/desired.js';
import type { Phase } from '../../../shared/model/observed.js';
import type { FinalSync } from '../../../shared/model/report.js';
import { openRecords, type Records } from '../../../shared/store/records.js';
import { namesOf } from '../../../controller/names.js';
import type { Cluster } from '../../../controller/ports/cluster.js';
import type { Gateway } from '../../../controller/ports/gateway.js';
import { Promises } from '../../../controller/reconcile/promises.js';
import { StartQueue } from '../../../controller/reconcile/start-queue.js';
import { createReconciler } from '../../../controller/reconcile/reconciler.js';
import { FakeClock } from '../../fakes/clock.js';
import { FakeCluster } from '../../fakes/cluster.js';
import { inTime } from '../../support/in-time.js';
import { PHASES_AFTER } from '../../support/phases.js';
import { declare, ID, POLICY, reportOf, saved } from '../../support/planning.js';

/** What may happen to one workspace, in any order. */
interface Declaration {
  state: 'running' | 'stopped';
  cpus: number;
  bucket: string;
}
type Event =
  | ({ type: 'declare' } & Declaration)
  | { type: 'delete' }
  | { type: 'removeFile' }
  | { type: 'reconcile' }
  | { type: 'wait'; ms: number }
  | { type: 'crash' }
  | { type: 'killController'; call: number; applied: boolean }
  | { type: 'engineDown' }
  | { type: 'engineUp' }
  | { type: 'replaceGateway' }
  | { type: 'bucketFails'; fails: boolean };

const events: fc.Arbitrary<Event> = fc.oneof(
  fc.record({
    type: fc.constant('declare' as const),
    state: fc.constantFrom('running' as const, 'running' as const, 'stopped' as const),
    cpus: fc.constantFrom(1, 2),
    bucket: fc.constantFrom('demo', 'other'),
  }),
  fc.constant({ type: 'delete' } as const),
  fc.constant({ type: 'removeFile' } as const),
  { arbitrary: fc.constant({ type: 'reconcile' } as const), weight: 6 },
  {
    arbitrary: fc.record({ type: fc.constant('wait' as const), ms: fc.constantFrom(50, 600, 2000) }),
    weight: 4,
  },
  fc.constant({ type: 'crash' } as const),
  fc.record({ type: fc.constant('killController' as const), call: fc.nat(5), applied: fc.boolean() }),
  fc.constant({ type: 'engineDown' } as const),
  fc.constant({ type: 'engineUp' } as const),
  fc.constant({ type: 'replaceGateway' } as const),
  fc.record({ type: fc.constant('bucketFails' as const), fails: fc.boolean() }),
);

/** Between two attempts of a rescue; what comes later is no part of a story. */
const LONGEST_WAIT_MS = 3_600_000;
const RAM_DISK = '/dev/shm';
const RUNS = Number(process.env['BERTH_PROPERTY_RUNS'] ?? 100);
const TIMEOUT_MS = 60_000 + RUNS * 500;
type Reconcile = ReturnType<typeof createReconciler>;

/** The controller's real reconciler on a fake engine, with an agent that reports at its end. */
class Story {
  readonly clock = new FakeClock();
  readonly cluster: FakeCluster;
  /** Volumes on which files may lie that are not in the bucket. */
  private readonly unsaved = new Set<string>();
  private controller: Reconcile | null = null;
  private kill: { call: number; applied: boolean } | null = null;
  private bucketFails = false;
  private reports: Promise<unknown>[] = [];
  private phase: Phase | null = null;

  constructor(private readonly records: Records) {
    this.cluster = new FakeCluster({
      clock: this.clock,
      names: namesOf('berth'),
      images: ['berth/workspace'],
      onStart: (request, volumes) => {
        if (request.mode === 'rescue') this.rescue(request.runId, volumes);
        else volumes.forEach((name) => this.unsaved.add(name));
      },
      onStop: (runId, volumes) => this.agentEnds(runId, volumes),
    });
  }

  async happen(event: Event): Promise<void> {
    const { desired } = this.records;
    switch (event.type) {
      case 'declare':
        await desired.write(ID, this.declaration(event));
        break;
      case 'delete': {
        const read = await desired.read(ID);
        if (read.kind !== 'valid') break;
        const metadata = { ...read.value.metadata, deletionRequestedAt: this.clock.now().toISOString() };
        await desired.write(ID, { ...read.value, metadata });
        break;
      }
      case 'removeFile':
        await desired.remove(ID);
        break;
      case 'reconcile':
        await this.reconcile();
        break;
      case 'wait':
        await this.clock.advance(event.ms);
        break;
      case 'crash':
        if ([...this.cluster.tasks.values()].some((task) => task.state === 'running')) this.cluster.crash(ID);
        break;
      case 'killController':
        this.kill = { call: event.call, applied: event.applied };
        break;
      case 'engineDown':
        this.cluster.down = true;
        break;
      case 'engineUp':
        this.cluster.down = false;
        break;
      case 'replaceGateway':
        this.cluster.gateway = {
          containerId: `gateway-${this.clock.now().getTime()}`,
          networkIds: new Set(),
        };
        await this.clock.advance(1);
        break;
      case 'bucketFails':
        this.bucketFails = event.fails;
        break;
    }
    await Promise.all(this.reports);
    this.checkAlways();
  }

  /** Everything is healed; the world goes on until nothing changes any more. */
  async quieten(): Promise<void> {
    this.kill = null;
    this.cluster.down = false;
    this.bucketFails = false;
    let quiet = 0;
    for (let look = 0; look < 400 && quiet < 3; look++) {
      const before = this.cluster.log.length;
      const more = await this.reconcile();
      await this.clock.advance(2000);
      await Promise.all(this.reports);
      quiet = more || this.cluster.log.length !== before ? 0 : quiet + 1;
    }
    expect(quiet, 'the controller comes to rest').to.equal(3);
  }

  async checkConverged(): Promise<void> {
    const [desired, observed] = await Promise.all([
      this.records.desired.read(ID),
      this.records.observed.read(ID),
    ]);
    const record = observed.kind === 'valid' ? observed.value : null;
    const wanted = desired.kind === 'valid' ? desired.value : null;
    const shallRun =
      wanted?.spec.state === 'running' &&
      wanted.metadata.deletionRequestedAt === undefined &&
      record?.halt == null;
    if (shallRun) {
      expect(record?.phase).to.equal('running');
      expect(this.cluster.services.size).to.equal(1);
      expect(this.cluster.networks.size).to.equal(1);
    } else {
      if (record !== null) expect(record.phase).to.equal('stopped');
      expect(this.cluster.services.size).to.equal(0);
      expect(this.cluster.networks.size).to.equal(0);
      expect(this.cluster.gateway?.networkIds.size).to.equal(0);
      const unsaved = record?.conditions.some(
        (item) => item.type === 'FinalSyncVerified' && item.status === 'False',
      );
      const left = record?.runVolumes.filter((name) => this.cluster.volumes.has(name)) ?? [];
      if (record?.runId != null)
        expect(left, 'what the last run left was saved in the end').to.deep.equal([]);
      if (this.cluster.volumes.size > 0 && record !== null)
        expect(unsaved, 'kept volumes are told').to.equal(true);
    }
  }

  private declaration({ state, cpus, bucket }: Declaration): Desired {
    return declare({ state, bucket, resources: { cpus, memoryBytes: 1024 ** 3 } });
  }

  private agentEnds(runId: string, volumes: string[]): void {
    if (this.bucketFails) return;
    const finalSync: FinalSync = { ...saved, at: this.clock.now().toISOString() };
    for (const name of volumes) this.unsaved.delete(name);
    this.reports.push(this.records.reports.write(ID, reportOf('finished', { runId, finalSync })));
  }

  /** The agent of a rescue does its work, and ends. */
  private rescue(runId: string, volumes: string[]): void {
    this.agentEnds(runId, volumes);
    this.clock.after(200, () => this.cluster.complete(ID));
  }

  private boot(): Reconcile {
    return createReconciler({
      records: this.records,
      cluster: this.mortal(),
      gateway: this.mortal(),
      fresh: () => this.cluster.observe(),
      prober: { probe: async () => ({ vnc: null, code: null, web: null }) },
      receipts: {
        verify: async () =>
          this.bucketFails ? { kind: 'unreachable', message: 'no answer' } : { kind: 'verified' },
      },
      writeConditions: { probe: async () => ({ kind: 'kept' }) },
      capacity: { memory: async () => ({ totalBytes: 8e9, usedBytes: 1e9 }) },
      promises: new Promises(),
      starts: new StartQueue(1),
      clock: this.clock,
      logger: silentLogger(),
      volumesOf: namesOf('berth').volumes,
      policy: { ...POLICY, healthIntervalMs: 2 * LONGEST_WAIT_MS },
      domain: 'berth.localhost',
      httpsPort: 443,
      onLook: () => undefined,
      onChange: (_before, after) => this.checkPhase(after.phase),
    });
  }

  /** One look of the controller. @returns true when it wants another one soon */
  private async reconcile(): Promise<boolean> {
    this.controller ??= this.boot();
    try {
      const result = await this.controller(ID);
      return result.kind === 'requeueAfter' && result.ms <= LONGEST_WAIT_MS;
    } catch {
      // It was killed, or might as well have been.
      this.controller = null;
      return true;
    } finally {
      this.kill = null;
    }
  }

  /** The engine as seen by a controller that is killed around its n-th change, before or after it. */
  private mortal(): Cluster & Gateway {
    return new Proxy(this.cluster, {
      get: (target, name) => {
        const value = Reflect.get(target, name) as unknown;
        if (typeof value !== 'function') return value;
        return async (...args: unknown[]) => {
          const dies = this.kill !== null && this.kill.call-- === 0 ? this.kill : null;
          if (dies !== null && !dies.applied) throw new Error('killed');
          const result: unknown = await (value as (...all: unknown[]) => unknown).apply(target, args);
          if (dies !== null) throw new Error('killed');
          return result;
        };
      },
    });
  }

  private checkPhase(phase: Phase): void {
    if (this.phase !== null) expect(PHASES_AFTER[this.phase]).to.include(phase);
    this.phase = phase;
  }

  /** What holds at every moment. */
  private checkAlways(): void {
    expect(this.cluster.services.size, 'one service at most').to.be.at.most(1);
    expect(this.cluster.networks.size, 'one network at most').to.be.at.most(1);
    const alive = [...this.cluster.tasks.values()].filter((task) => task.state === 'running' && !task.reaped);
    expect(alive.length, 'one container at most').to.be.at.most(1);
    for (const name of this.unsaved) expect(this.cluster.volumes.has(name), `${name} is kept`).to.equal(true);
  }
}

describe('Controller: whatever happens, in whatever order', function () {
  this.timeout(TIMEOUT_MS);

  it(`comes to what is declared, makes nothing twice, loses no file (${RUNS} stories)`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(events, { minLength: 5, maxLength: 40 }), async (story) => {
        const folder = await mkdtemp(path.join(existsSync(RAM_DISK) ? RAM_DISK : tmpdir(), 'berth-story-'));
        try {
          const records = await openRecords(folder);
          await records.desired.mark();
          const world = new Story(records);
          for (const event of story) await world.happen(event);
          await world.quieten();
          await world.checkConverged();
        } finally {
          await rm(folder, { recursive: true, force: true });
        }
      }),
      { numRuns: RUNS, ...inTime(TIMEOUT_MS) },
    );
  });
});
