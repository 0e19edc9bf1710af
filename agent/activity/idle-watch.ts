import { messageOf } from '../../shared/errors.js';
import type { Logger } from '../../shared/logger.js';
import { idleDeadline, warningMs, type Activity, type IdleRules } from '../../shared/model/idle.js';
import type { ShutdownAnswer } from '../../shared/model/report.js';
import { Ticker } from '../ticker.js';
import type { Source } from './sources.js';

/** Between two looks; shorter where the time without activity is short. */
const MAX_LOOK_MS = 5_000;
const MIN_LOOK_MS = 250;
const LOOKS = 20;

export interface IdleWatchParts {
  /** Besides changed files; only those that the rules name are asked. */
  sources: readonly Source[];
  /** When a file was last changed (ISO), as far as is known. */
  filesChangedAt: () => string | null;
  /** Looks for changed files now. */
  lookAtFiles: () => Promise<void>;
  /** @param leftMs - until the end */
  warn: (leftMs: number) => void;
  /** There is activity that the API has not heard of for a while. */
  tell: () => void;
  /** Asks for the end of the workspace. */
  ask: (activity: Activity[]) => Promise<ShutdownAnswer>;
  log: Logger;
  now: () => number;
}

/** Watches for signs of work, warns when there are none, and asks for the end of the workspace in time. */
export class IdleWatch {
  private rules: IdleRules | null = null;
  private readonly seen = new Map<Source, number>();
  private warnedOf: number | null = null;
  private toldAt = 0;
  private asking = false;
  private startedAt: string | null = null;
  private readonly ticker: Ticker;

  constructor(private readonly parts: IdleWatchParts) {
    this.ticker = new Ticker(
      () => this.lookMs,
      () => this.look(),
    );
  }

  /** The workspace is ready; the API's own word on when it ran counts as soon as it is heard. */
  start(): void {
    this.startedAt = new Date(this.parts.now()).toISOString();
    this.ticker.start();
  }

  async stop(): Promise<void> {
    await this.ticker.stop();
  }

  /** What the API last said; an API of an earlier version says nothing, and nothing is stopped. */
  hear(rules: IdleRules | null | undefined): void {
    if (rules != null) this.rules = rules;
  }

  /** When each sign that counts was last seen. */
  activity(): Activity[] {
    const files = this.parts.filesChangedAt();
    const activity: Activity[] = files === null ? [] : [{ signal: 'files', lastAt: files }];
    for (const [{ signal }, at] of this.seen)
      if (this.counts(signal)) activity.push({ signal, lastAt: new Date(at).toISOString() });
    return activity;
  }

  /** One look; never rejects. */
  async look(): Promise<void> {
    const { rules, parts } = this;
    if (rules === null || rules.timeoutMs === null) return;
    try {
      await this.sample();
      this.tellNow(rules.timeoutMs);
      if (this.step() === 'wait') return;
      await parts.lookAtFiles();
      const step = this.step();
      if (step === 'warn') this.warn();
      else if (step === 'ask') await this.ask();
    } catch (error) {
      parts.log.warn('activity could not be looked at', { error: messageOf(error) });
    }
  }

  private counts(signal: Activity['signal']): boolean {
    return this.rules?.signals.includes(signal) ?? false;
  }

  private async sample(): Promise<void> {
    for (const source of this.parts.sources) {
      if (!this.counts(source.signal)) continue;
      const at = await source.sample(this.parts.now());
      if (at !== null) this.seen.set(source, at);
    }
  }

  /** Others decide on what they have heard: signs that come all the time are told from time to time. */
  private tellNow(timeoutMs: number): void {
    const newest = Math.max(0, ...this.seen.values());
    if (newest - this.toldAt < timeoutMs / 8) return;
    this.toldAt = newest;
    this.parts.tell();
  }

  private step(): 'wait' | 'warn' | 'ask' {
    const deadline = this.deadline();
    if (deadline === null || this.rules?.timeoutMs == null) return 'wait';
    const leftMs = deadline - this.parts.now();
    if (leftMs <= 0) return 'ask';
    return leftMs <= warningMs(this.rules.timeoutMs) && this.warnedOf !== deadline ? 'warn' : 'wait';
  }

  private deadline(): number | null {
    if (this.rules === null) return null;
    const runningSince = this.rules.runningSince ?? this.startedAt;
    return idleDeadline({ ...this.rules, runningSince }, this.activity());
  }

  private warn(): void {
    this.warnedOf = this.deadline();
    if (this.warnedOf !== null) this.parts.warn(this.warnedOf - this.parts.now());
  }

  private async ask(): Promise<void> {
    const { accepted, idle } = await this.parts.ask(this.activity());
    if (accepted !== this.asking) this.parts.log.info('asked for the end: nobody works', { accepted });
    this.asking = accepted;
    this.hear(idle);
  }

  private get lookMs(): number {
    const timeoutMs = this.rules?.timeoutMs ?? Infinity;
    return Math.min(MAX_LOOK_MS, Math.max(MIN_LOOK_MS, timeoutMs / LOOKS));
  }
}
