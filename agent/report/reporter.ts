import { setTimeout as pause } from 'node:timers/promises';
import { backoffMs } from '../../shared/backoff.js';
import { messageOf } from '../../shared/errors.js';
import type { Logger } from '../../shared/logger.js';
import { reportAnswerSchema, type AgentReport, type ReportAnswer } from '../../shared/model/report.js';
import { callApi } from './call-api.js';

export interface ReporterSettings {
  /** `{BERTH_API_URL}/agent/report`. */
  url: string;
  token: string;
  /** Longest wait for an answer, ms. */
  timeoutMs?: number;
  /** Between two reports when nothing happens, ms. */
  everyMs?: number;
  backoff?: { baseMs: number; maxMs: number };
}

/**
 * Tells the API how the workspace is. The newest state wins: what was not sent when something newer
 * comes is never sent. Failures are retried with back-off, and logged once per change.
 */
export class Reporter {
  private pending: AgentReport | null = null;
  private sending: Promise<void> | null = null;
  private failures = 0;
  private heartbeat: NodeJS.Timeout | null = null;
  private readonly halt = new AbortController();
  /** Ends a back-off early when there is news. */
  private wake = new AbortController();

  constructor(
    private readonly settings: ReporterSettings,
    private readonly current: () => AgentReport,
    private readonly log: Logger,
    private readonly onAnswer: (answer: ReportAnswer) => void = () => undefined,
  ) {}

  /** Begins to send the present state from time to time. */
  start(): void {
    this.heartbeat = setInterval(() => this.tell(), this.settings.everyMs ?? 60_000);
    this.heartbeat.unref();
  }

  /** Sends the present state as soon as possible. */
  tell(): void {
    this.pending = this.current();
    this.wake.abort();
    this.sending ??= this.drain().finally(() => {
      this.sending = null;
    });
  }

  /**
   * Sends the present state and waits until it has arrived.
   *
   * @param withinMs - after that the report is given up
   * @returns whether it arrived
   */
  async flush(withinMs: number): Promise<boolean> {
    const timer = setTimeout(() => this.halt.abort(), Math.max(0, withinMs));
    this.tell();
    while (this.sending && !this.halt.signal.aborted) await this.sending;
    clearTimeout(timer);
    return this.pending === null;
  }

  stop(): void {
    if (this.heartbeat) clearInterval(this.heartbeat);
    this.halt.abort();
  }

  private async drain(): Promise<void> {
    while (this.pending !== null && !this.halt.signal.aborted) {
      const report = this.pending;
      this.wake = new AbortController();
      const problem = await this.send(report);
      if (problem === null) {
        if (this.failures > 0) this.log.info('reports arrive again');
        this.failures = 0;
        if (this.pending === report) this.pending = null;
        continue;
      }
      if (this.failures === 0 && !this.halt.signal.aborted)
        this.log.warn('report could not be sent, it is tried again', { problem });
      this.failures += 1;
      await this.backOff();
    }
  }

  private async backOff(): Promise<void> {
    const wait = backoffMs(this.failures, this.settings.backoff ?? { baseMs: 250, maxMs: 15_000 });
    // News goes out at once, but never faster than the shortest back-off.
    const quiet = backoffMs(1, this.settings.backoff ?? { baseMs: 250, maxMs: 15_000 });
    const stop = { signal: this.halt.signal };
    await pause(quiet, undefined, stop).catch(() => undefined);
    const either = AbortSignal.any([this.halt.signal, this.wake.signal]);
    await pause(Math.max(0, wait - quiet), undefined, { signal: either }).catch(() => undefined);
  }

  /** The report has arrived; an answer that says nothing changes nothing. */
  private hear(text: string): void {
    try {
      this.onAnswer(reportAnswerSchema.parse(JSON.parse(text)));
    } catch (error) {
      this.log.debug('the answer to a report was not understood', { error: messageOf(error) });
    }
  }

  /** @returns null when the API took it, or what went wrong */
  private async send(report: AgentReport): Promise<string | null> {
    const timeout = AbortSignal.timeout(this.settings.timeoutMs ?? 5_000);
    try {
      const signal = AbortSignal.any([timeout, this.halt.signal]);
      const { url, token } = this.settings;
      const { status, text } = await callApi('PUT', url, { token, body: report, signal });
      if (status < 200 || status > 299) return `the API answered ${status}`;
      this.hear(text);
      return null;
    } catch (error) {
      const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
      return messageOf(cause);
    }
  }
}
