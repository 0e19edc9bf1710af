import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { backoffMs } from '../../shared/backoff.js';
import { sleep } from '../../shared/clock.js';
import { messageOf } from '../../shared/errors.js';
import type { Logger } from '../../shared/logger.js';
import { answers } from './probe.js';
import type { ServiceSpec } from './spec.js';

const READY_POLL_MS = 25;
const RESTART = { baseMs: 500, maxMs: 30_000 };
/** After so long the next failure counts as the first one. */
const HEALTHY_MS = 60_000;
/** A killed process is gone once its system call is over. */
const KILLED_MS = 1_000;
/** Longest line of a service that is passed on to the log. */
const MAX_LINE = 4_000;

export interface ServiceOptions {
  /** Turns a command into the one that is really started (as another user). */
  wrap: (command: readonly string[]) => string[];
  env: Record<string, string>;
  log: Logger;
  /** Called whenever `ready` changed. */
  onChange: () => void;
}

/** One supervised program: started, watched until it answers, started again when it dies. */
export class Service {
  private child: ChildProcess | null = null;
  private readonly halt = new AbortController();
  private loop: Promise<void> | null = null;
  private isReady = false;
  private readonly waiters: (() => void)[] = [];

  constructor(
    readonly spec: ServiceSpec,
    private readonly options: ServiceOptions,
  ) {}

  get ready(): boolean {
    return this.isReady;
  }

  /** Keeps the service running until `stop`. */
  start(after: readonly Service[]): void {
    this.loop = this.supervise(after).catch((error: unknown) => {
      if (!this.halt.signal.aborted)
        this.options.log.error('supervision failed', { service: this.spec.name, error: messageOf(error) });
    });
  }

  /** Resolves once the service answers. */
  whenReady(): Promise<void> {
    return this.isReady ? Promise.resolve() : new Promise((resolve) => this.waiters.push(resolve));
  }

  /** Ends it: TERM to its process group, KILL to what is left of it after `graceMs`. */
  async stop(graceMs: number): Promise<void> {
    this.halt.abort();
    const child = this.child;
    if (child?.pid !== undefined) {
      const exited = child.exitCode === null && child.signalCode === null ? once(child, 'exit') : null;
      signalGroup(child.pid, 'SIGTERM');
      await groupEnds(child.pid, graceMs);
      signalGroup(child.pid, 'SIGKILL');
      await exited;
      // Children of it may be in the middle of a write still.
      await groupEnds(child.pid, KILLED_MS);
    }
    await this.loop;
  }

  private async supervise(after: readonly Service[]): Promise<void> {
    const { signal } = this.halt;
    for (let failures = 0; !signal.aborted;) {
      await untilAborted(Promise.all(after.map((service) => service.whenReady())), signal);
      const startedAt = performance.now();
      const how = await this.runOnce().catch((error: unknown) => {
        // No memory or no file handle for it: later there may be.
        this.child = null;
        return messageOf(error);
      });
      if (signal.aborted) return;
      failures = performance.now() - startedAt > HEALTHY_MS ? 1 : failures + 1;
      const waitMs = Math.round(backoffMs(failures, RESTART));
      this.options.log.warn('service ended, it is started again', {
        service: this.spec.name,
        how,
        waitMs,
      });
      await sleep(waitMs, signal);
    }
  }

  /** @returns how it ended, in words */
  private async runOnce(): Promise<string> {
    const { spec, options } = this;
    // A socket of an earlier run would be taken for a sign of life.
    if (spec.ready && 'socket' in spec.ready) await rm(spec.ready.socket, { force: true });
    this.halt.signal.throwIfAborted();
    const [program = '', ...args] = options.wrap(spec.command);
    const child = spawn(program, args, {
      cwd: spec.cwd,
      env: { ...options.env, ...spec.env },
      // An own process group, so that all it starts can be ended with it.
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.child = child;
    if (child.pid !== undefined) offerToOomKiller(child.pid);
    // Most programs tell everything on standard error; what is serious is for the reader to see.
    this.passOn(child.stdout);
    this.passOn(child.stderr);
    const ended = new Promise<string>((resolve) => {
      child.once('error', (error) => resolve(error.message));
      child.once('exit', (code, signal) => resolve(signal === null ? `exit code ${code}` : signal));
    });
    const watch = new AbortController();
    void this.watchReadiness(watch.signal);
    const how = await ended;
    this.child = null;
    watch.abort();
    this.setReady(false);
    // What it left behind would hold its port or its display.
    if (child.pid !== undefined && !this.halt.signal.aborted) signalGroup(child.pid, 'SIGKILL');
    return how;
  }

  private async watchReadiness(signal: AbortSignal): Promise<void> {
    const probe = this.spec.ready;
    try {
      while (probe && !(await answers(probe))) await sleep(READY_POLL_MS, signal);
      if (!signal.aborted) this.setReady(true);
    } catch {
      // Ended before it was ready.
    }
  }

  private setReady(ready: boolean): void {
    if (this.isReady === ready) return;
    this.isReady = ready;
    if (ready) for (const waiter of this.waiters.splice(0)) waiter();
    this.options.onChange();
  }

  private passOn(stream: Readable): void {
    const lines = createInterface({ input: stream });
    lines.on('line', (line) => {
      if (line.trim() !== '') this.options.log.info(line.slice(0, MAX_LINE), { service: this.spec.name });
    });
    lines.on('error', () => lines.close());
  }
}

/**
 * When memory runs out the kernel shall take the user's processes, which start again, rather than the
 * agent, without which the container ends. What they start inherits it.
 */
function offerToOomKiller(pid: number): void {
  try {
    writeFileSync(`/proc/${pid}/oom_score_adj`, '500');
  } catch {
    // Ended already.
  }
}

function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch {
    // Nobody left in the group.
  }
}

async function groupEnds(pgid: number, withinMs: number): Promise<void> {
  const deadline = performance.now() + withinMs;
  while (groupExists(pgid) && performance.now() < deadline) await sleep(20);
}

function groupExists(pid: number): boolean {
  try {
    process.kill(-pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function untilAborted(task: Promise<unknown>, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  let abort: (() => void) | undefined;
  const aborted = new Promise<never>((_resolve, reject) => {
    abort = () => reject(signal.reason as Error);
    signal.addEventListener('abort', abort, { once: true });
  });
  try {
    await Promise.race([task, aborted]);
  } finally {
    if (abort) signal.removeEventListener('abort', abort);
  }
}
