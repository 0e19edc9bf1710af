import { yamlCodec, type Codec } from '../../shared/store/codec.js';
import { startBytes } from '../../shared/model/admission.js';
import { desiredSchema } from '../../shared/model/desired.js';
import { observedSchema, type Observed } from '../../shared/model/observed.js';
import { storedReportSchema } from '../../shared/model/report.js';
import type { RecordRead } from '../../shared/store/record-store.js';
import { namesOf } from '../../controller/names.js';
import type { ServiceRequest } from '../../controller/ports/cluster.js';
import { FakeCluster } from '../fakes/cluster.js';
import { NOW } from '../support/planning.js';
import { Agent, type Mood } from './agent.js';
import { Api } from './api.js';
import { SimClock } from './clock.js';
import { Engine, type Change } from './engine.js';
import { Files } from './files.js';
import { Host } from './host.js';
import { Incarnation } from './incarnation.js';
import type { Invariant } from './invariant.js';
import { Random } from './random.js';
import { settingOf, type Hints, type Setting } from './setting.js';
import { SimStore, type SimRecords } from './store.js';
import { Trace } from './trace.js';
import type { Mutant } from './mutants.js';

/** What must never be, and was. */
export interface Violation {
  invariant: string;
  message: string;
}

/** JSON is YAML too, and ten times as fast; what operators write is read as what it is. */
const DECLARATIONS: Codec = {
  ...yamlCodec,
  encode: (value) => JSON.stringify(value),
  decode: (text, file) => (text.startsWith('{') ? JSON.parse(text) : yamlCodec.decode(text, file)) as unknown,
};

/** What works on the world, and what it is measured by. */
export interface Parts {
  startController: (world: World, incarnation: Incarnation) => void;
  invariants: (world: World) => Invariant[];
}

/** In this time everything is done that can be done, but for rescues. */
const QUIET_MS = 2_400_000;

/** A host with everything on it, and all that can ail it. All of its luck comes from one seed. */
export class World {
  readonly clock = new SimClock(NOW.getTime());
  readonly trace = new Trace(this.clock);
  readonly files = new Files();
  readonly host = new Host();
  readonly records: SimRecords;
  readonly swarm: FakeCluster;
  readonly engine: Engine;
  readonly api: Api;
  readonly agents = new Map<string, Agent>();
  readonly moods = new Map<string, Mood>();
  /** Runs whose service a person has removed. */
  readonly removedByHand = new Set<string>();
  readonly setting: Setting;
  hints: Hints;
  /** Nobody is idle any more. */
  everybodyWorks = false;
  violation: Violation | null = null;
  /** Faults that last. */
  ailments = 0;
  /** When something last came from outside, or a workspace changed its phase. */
  private stirredAt = 0;
  controller: Incarnation;
  private readonly checks: Invariant[];
  private runs = 0;
  private readonly luck: Random;

  constructor(
    readonly seed: number,
    readonly mutant: Mutant | null,
    private readonly parts: Parts,
  ) {
    const random = (stream: string) => new Random(seed, stream);
    this.luck = random('world');
    this.setting = settingOf(random('setting'));
    this.hints = this.setting.hints;
    const hintArrives = () => this.hintArrives();
    const onWrite = (id: string, before: RecordRead<Observed>, after: RecordRead<Observed>) =>
      this.noteRecord(id, before, after);
    this.records = {
      desired: new SimStore({
        ...{ codec: DECLARATIONS, schema: desiredSchema, hintArrives },
        onChange: (id, before, after) => {
          this.stir();
          this.check((item) => item.declared?.(id, before, after));
        },
      }),
      observed: new SimStore({ schema: observedSchema, hintArrives, onChange: onWrite }),
      reports: new SimStore({ schema: storedReportSchema, hintArrives }),
    };
    const start = random('start');
    this.swarm = new FakeCluster({
      clock: this.clock,
      names: namesOf('berth'),
      images: ['berth/workspace'],
      startMs: () => start.int(200, 3000),
      onStart: (request) => this.containerStarts(request),
      onStop: (runId) => this.agents.get(runId)?.terminate(),
      onEnd: (runId) => this.containerEnds(runId),
    });
    this.engine = new Engine(this.swarm, random('engine'), (change) => this.noteChange(change), hintArrives);
    this.api = new Api(this.records, this.clock, random('api'));
    this.checks = parts.invariants(this);
    this.controller = this.startController();
  }

  /** Lets time pass; stops early where something is that must not be. */
  async pass(ms: number): Promise<void> {
    await this.clock.runUntil(this.clock.ms + ms, () => {
      this.check((item) => item.always?.());
      return this.violation === null;
    });
  }

  checkAtRest(): void {
    this.check((item) => item.atRest?.());
  }

  /** To be asked at any time: has there been nothing to do for long? */
  checkWhenQuiet(): void {
    const quiet = this.ailments === 0 && this.controller.doom === null;
    if (quiet && this.clock.ms - this.stirredAt > QUIET_MS) this.check((item) => item.whenQuiet?.());
  }

  stir(): void {
    this.stirredAt = this.clock.ms;
  }

  readonly note = (text: string): void => this.trace.note(text);

  violate(invariant: string, message: string): void {
    this.violation ??= { invariant, message };
  }

  /** A new life of the controller begins after the last one has ended. */
  readonly startController = (): Incarnation => {
    const incarnation = new Incarnation({
      clock: this.clock,
      random: this.luck,
      engineMode: () => this.engine.mode,
      onDeath: (call) => {
        this.note(`the controller dies at: ${call}`);
        this.engine.forgetWatchers();
        for (const store of Object.values(this.records)) (store as SimStore<unknown>).forgetWatchers();
        this.clock.after(this.luck.pick([100, 2000, 20_000, 120_000]), () => {
          this.controller = this.startController();
        });
      },
    });
    this.note('the controller starts');
    this.stir();
    this.parts.startController(this, incarnation);
    return incarnation;
  };

  nextRun(): string {
    return `run-${++this.runs}`;
  }

  /** The ids of all workspaces of which anything is there. */
  get ids(): string[] {
    const { desired, observed } = this.records;
    const { services, networks } = this.swarm;
    const existing = [...services.values(), ...networks.values()].map((item) => item.workspaceId);
    return [...new Set([...desired.known, ...observed.known, ...existing])];
  }

  /** The agent in a workspace's container, if one runs. */
  agentOf(id: string): Agent | undefined {
    return [...this.agents.values()].find(({ request }) => request.workspaceId === id);
  }

  private check(ask: (item: Invariant) => string | null | undefined): void {
    for (const item of this.checks) {
      const message = ask(item);
      if (message != null) this.violate(item.name, message);
    }
  }

  private hintArrives(): boolean {
    return this.hints === 'all' || (this.hints === 'some' && this.luck.chance(0.5));
  }

  private containerStarts(request: ServiceRequest): void {
    const { workspaceId: id, runId, mode } = request;
    this.note(`${id} ${mode === 'rescue' ? 'rescue' : 'container'} runs (${runId})`);
    this.host.containers.set(runId, startBytes(request.resources));
    this.agents.set(
      runId,
      new Agent(request, {
        clock: this.clock,
        random: this.luck,
        files: this.files,
        api: this.api,
        mood: () => this.moods.get(id) ?? 'well',
        mayAskForEnd: () => !this.everybodyWorks,
        exit: (how) => (how === 'done' ? this.swarm.complete(id) : this.crash(id)),
        note: (text) => this.note(text),
      }),
    );
    this.check((item) => item.started?.(request));
    this.engine.stir();
  }

  /** The container of a workspace ends with a failure, if there is one. */
  crash(id: string, outOfMemory = false): void {
    const service = [...this.swarm.services.values()].find((item) => item.workspaceId === id);
    const runs = [...this.swarm.tasks.values()].some(
      (task) => task.serviceId === service?.id && isAlive(task),
    );
    if (!runs) return;
    this.note(`${id} container ${outOfMemory ? 'is killed: out of memory' : 'fails'}`);
    this.swarm.crash(id, { outOfMemory });
    this.engine.stir();
  }

  /** Somebody has the container end in order, and Swarm start another one. */
  stopContainer(id: string): void {
    this.note(`${id} container is stopped by hand`);
    this.swarm.stopContainer(id);
    this.engine.stir();
  }

  private containerEnds(runId: string): void {
    this.agents.get(runId)?.end();
    this.agents.delete(runId);
    this.host.containers.delete(runId);
    this.note(`container ends (${runId})`);
  }

  private noteChange(change: Change): void {
    const id = change.type === 'createService' ? change.request.workspaceId : change.workspaceId;
    const what = change.type === 'removeVolume' ? `${change.type} ${change.name}` : change.type;
    this.note(`${id} ${what}`);
    this.check((item) => item.changed?.(change));
    if (change.type === 'removeVolume') this.files.removeVolume(change.name);
  }

  private noteRecord(id: string, before: RecordRead<Observed>, after: RecordRead<Observed>): void {
    const last = before.kind === 'valid' ? before.value : null;
    const next = after.kind === 'valid' ? after.value : null;
    if (last?.phase !== next?.phase) this.stir();
    if (last?.phase !== next?.phase || last?.halt?.message !== next?.halt?.message)
      this.note(`${id} is ${next?.phase ?? 'not on record'}: ${next?.halt?.message ?? next?.message ?? ''}`);
    this.check((item) => item.recorded?.(id, last, next));
  }
}

export const isAlive = (task: { state: string; reaped: boolean }) => task.state === 'running' && !task.reaped;
