import fs from 'node:fs';
import type { SyncEngine } from '../../../../agent/sync/engine.js';
import { FakeS3 } from '../../../fakes/s3.js';
import type { Replica } from '../replica.js';
import type { Traffic } from './traffic.js';

/** When an agent dies, and what becomes of its requests that are under way then. */
export interface Death {
  /** With this request of its life, counted from 1. */
  at: number;
  /** Whether they reach the server; their answers come too late in any case. */
  arrive: boolean;
}

/** One life of an agent: its client of the server, which can be cut off for good at any request. */
export class Life {
  readonly client: FakeS3;
  private dead = false;
  private requests = 0;
  private alarm: { at: number; ring: () => void } | null = null;
  private death: Death | null = null;
  private state: Buffer | null = null;
  private readonly ended: Promise<void>;
  private end: () => void = () => undefined;

  constructor(
    server: FakeS3,
    private readonly replica: Replica,
    private readonly traffic: Traffic,
  ) {
    this.client = new FakeS3(server);
    this.client.passing = (_call, leg) => this.pass(leg);
    this.ended = new Promise((resolve) => (this.end = resolve));
  }

  /**
   * Lets the agent work until it is done or dies. Then its state file is what it was at that moment, and
   * nothing of it goes on.
   */
  async untilDeath(death: Death, work: (engine: SyncEngine) => Promise<unknown>): Promise<void> {
    this.requests = 0;
    this.death = death;
    await Promise.race([work(this.replica.engine), this.ended]);
    if (!this.dead) this.die();
    await noFileAtWork();
    const file = this.stateFile;
    if (this.state === null) fs.rmSync(file, { force: true });
    else fs.writeFileSync(file, this.state);
  }

  /** Lets the agent restore until it is done, or told to stop with this request, counted from 1. */
  async restoreUntil(request: number): Promise<void> {
    const stop = this.abortedWith(request);
    await this.replica.engine
      .restore(stop, () => undefined)
      .catch((error: unknown) => {
        if (!stop.aborted) throw error;
      });
  }

  /** Lets the agent sync a last time until it is done, or told to give up with this request, counted from 1. */
  async finalUntil(request: number): Promise<void> {
    await this.replica.engine.final(this.abortedWith(request));
  }

  private abortedWith(request: number): AbortSignal {
    const stop = new AbortController();
    this.requests = 0;
    this.alarm = { at: request, ring: () => stop.abort(new Error('stopping')) };
    return stop.signal;
  }

  private get stateFile(): string {
    return `${this.replica.stateDir}/state.json`;
  }

  private async pass(leg: 'request' | 'answer'): Promise<void> {
    if (leg === 'request' && !this.dead) {
      this.requests += 1;
      if (this.requests === this.alarm?.at) this.alarm.ring();
      if (this.requests === this.death?.at) this.die();
    } else if (this.dead) await never();
    await this.traffic.pass();
    if (this.dead && (leg === 'answer' || this.death?.arrive === false)) await never();
  }

  private die(): void {
    this.dead = true;
    this.state = fs.existsSync(this.stateFile) ? fs.readFileSync(this.stateFile) : null;
    this.end();
  }
}

const never = () => new Promise<never>(() => undefined);

/** Resolves when no file operation is under way in this process, nor one that follows from it. */
async function noFileAtWork(): Promise<void> {
  for (let quiet = 0; quiet < 3; quiet++) {
    await new Promise<void>((resolve) => setImmediate(resolve));
    if (process.getActiveResourcesInfo().some((name) => /^FSReq|^CloseReq/.test(name))) quiet = -1;
  }
}
