import type { AgentReport, FinalSync } from '../../shared/model/report.js';
import type { ServiceRequest } from '../../controller/ports/cluster.js';
import { QUIET_SYNC } from '../support/quiet-sync.js';
import type { Api } from './api.js';
import type { SimClock } from './clock.js';
import type { Files } from './files.js';
import type { Random } from './random.js';

/**
 * What ails an agent: the API does not hear it, or late; it cannot restore, or needs all its time to stop.
 * `deaf`: the IDE beside it soon answers no more.
 */
export type Mood = 'well' | 'deaf' | 'silent' | 'late' | 'failing' | 'slow';

export interface AgentOptions {
  clock: SimClock;
  random: Random;
  files: Files;
  api: Api;
  mood: () => Mood;
  /** Whether it asks for its end when nobody works. */
  mayAskForEnd: () => boolean;
  /** Ends the container, with a failure or in order. */
  exit: (how: 'failed' | 'done') => void;
  note: (text: string) => void;
}

const GRACE_MS = 60_000;
/** How long the IDE answers at first where it grows deaf. */
const HEARS_MS = 30_000;

/** The agent in one container: restores, watches over what is written, saves it, reports, and ends. */
export class Agent {
  private state: AgentReport['state'] = 'restoring';
  private message: string | undefined;
  private lastActivityAt: string | null = null;
  private finalSync: FinalSync | undefined;
  private over = false;
  private saving = false;
  private cutOff = false;
  private readyAt = 0;

  constructor(
    readonly request: ServiceRequest,
    private readonly options: AgentOptions,
  ) {
    if (request.mode === 'rescue') this.after(options.random.int(500, 5000), () => this.rescue());
    else this.after(options.random.int(100, 2000), () => this.restore());
  }

  get ready(): boolean {
    return !this.over && this.state === 'ready';
  }

  /** The IDE answers. */
  get serves(): boolean {
    const { mood, clock } = this.options;
    return this.ready && (mood() !== 'deaf' || clock.ms - this.readyAt < HEARS_MS);
  }

  /** Somebody changes a file. */
  write(): void {
    if (!this.ready) return;
    const { files, clock, random } = this.options;
    this.options.note(`${this.request.workspaceId} a file is changed`);
    files.write(this.volume, this.request.target);
    this.lastActivityAt = clock.now().toISOString();
    if (this.saving) return;
    this.saving = true;
    this.after(random.int(1000, 15_000), () => this.save());
  }

  /** SIGTERM. @returns after how many milliseconds the container ends */
  terminate(): number {
    const { files, random } = this.options;
    this.state = 'stopping';
    this.after(1, () => this.report());
    // Whoever does not reach the API may not reach the bucket either.
    this.cutOff = this.options.mood() === 'silent' && random.chance(0.5);
    const stuck = this.cutOff || files.mode === 'down' || this.options.mood() === 'slow';
    const ms = stuck ? GRACE_MS : random.int(100, 4000);
    this.after(ms - 1, () => this.finish());
    return ms;
  }

  /** The container is gone. */
  end(): void {
    this.over = true;
  }

  private get volume(): string {
    return this.request.volumes.workspace;
  }

  private restore(): void {
    if (this.state !== 'restoring') return;
    if (this.options.mood() === 'failing') return this.fail();
    if (this.options.files.mode === 'down') {
      this.after(10_000, () => this.restore());
      return;
    }
    this.become('starting');
    this.after(this.options.random.int(50, 1000), () => {
      if (this.state !== 'starting') return;
      this.readyAt = this.options.clock.ms;
      this.become('ready');
      this.watch();
    });
  }

  private fail(): void {
    this.message = 'NoSuchBucket: sim';
    this.become('failed');
    this.after(120_000, () => {
      if (this.state === 'failed') this.options.exit('failed');
    });
  }

  private save(): void {
    if (this.state !== 'ready') return;
    if (this.options.files.mode === 'down') {
      this.after(30_000, () => this.save());
      return;
    }
    this.saving = false;
    this.options.files.upload(this.volume);
    this.report();
  }

  /** Asks for its end once nobody has worked for long enough. */
  private watch(): void {
    if (this.state !== 'ready') return;
    const { api, clock, mayAskForEnd, note, random } = this.options;
    const { workspaceId: id, runId } = this.request;
    this.report();
    const deadline = mayAskForEnd() ? api.idleDeadline(id, this.activity) : null;
    const now = clock.ms;
    if (deadline === null || deadline > now) {
      // Also who has nothing to tell is heard of from time to time.
      const wait = Math.min(deadline ?? Infinity, now + 600_000) - now;
      this.after(Math.max(1000, wait), () => this.watch());
      return;
    }
    note(`${id} asks for its end, since nobody works`);
    api.shutDown(id, { runId, reason: 'Inactivity', activity: this.activity });
    // Whoever was warned may come back in the very last moment.
    if (random.chance(0.4)) this.after(random.int(0, 20_000), () => this.write());
    this.after(60_000, () => this.watch());
  }

  private rescue(): void {
    if (this.over || this.state === 'stopping') return;
    this.finish();
    this.after(100, () => this.options.exit('done'));
  }

  private finish(): void {
    const { files, clock } = this.options;
    this.state = 'finished';
    const at = clock.now().toISOString();
    const counts = { at, files: 0, bytes: 0, failed: 0 };
    if (this.cutOff || files.mode === 'down') {
      this.finalSync = { ...counts, ok: false, failed: 1, message: 'sim: the S3 server is down' };
    } else {
      const count = files.upload(this.volume);
      const receipt = count === 0 ? {} : { receipt: files.leaveReceipt(this.request.runId, this.volume) };
      this.finalSync = { ...counts, ok: true, files: count, bytes: count, ...receipt };
    }
    this.options.note(`${this.request.workspaceId} has ${this.finalSync.ok ? '' : 'not '}saved its files`);
    this.report();
  }

  private become(state: AgentReport['state']): void {
    this.state = state;
    this.report();
  }

  private get activity(): AgentReport['activity'] {
    return this.lastActivityAt === null ? [] : [{ signal: 'files', lastAt: this.lastActivityAt }];
  }

  private report(): void {
    const { mood, api, clock } = this.options;
    if (mood() === 'silent') return;
    const { state, message, lastActivityAt, activity, finalSync } = this;
    const { workspaceId, runId } = this.request;
    const report: AgentReport = { runId, state, sync: QUIET_SYNC, lastActivityAt, activity, oomKills: 0 };
    if (message !== undefined) report.message = message;
    if (finalSync !== undefined) report.finalSync = finalSync;
    // What is on its way arrives, also when the container is gone.
    if (mood() === 'late') clock.after(30_000, () => api.report(workspaceId, report));
    else api.report(workspaceId, report);
  }

  private after(ms: number, task: () => void): void {
    this.options.clock.after(ms, () => {
      if (!this.over) task();
    });
  }
}
