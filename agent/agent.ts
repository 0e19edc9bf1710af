import type { Server } from 'node:http';
import { tmpdir } from 'node:os';
import { messageOf } from '../shared/errors.js';
import type { Logger } from '../shared/logger.js';
import { GIB } from '../shared/model/desired.js';
import { inWords } from '../shared/model/duration.js';
import type { AgentReport, FinalSync } from '../shared/model/report.js';
import { IdleWatch } from './activity/idle-watch.js';
import { cpuSeconds } from './activity/procfs.js';
import { RateSource } from './activity/sources.js';
import { Terminals } from './activity/terminals.js';
import { UsersTraffic } from './activity/users-traffic.js';
import { homeOf, USER, type AgentConfig } from './config.js';
import { createDesktopServer } from './desktop/server.js';
import { loadStaticFiles } from './desktop/static-files.js';
import { DiskWatch } from './disk-watch.js';
import { listen, shut } from './http/listen.js';
import { step, type LifeEffect, type LifeEvent, type LifeState } from './lifecycle.js';
import { tidyMemory } from './memory.js';
import { oomKills } from './oom-kills.js';
import { askForEnd } from './report/ask-for-end.js';
import { Reporter } from './report/reporter.js';
import { asUser, canDropBounding, userEnvironment } from './services/environment.js';
import { fillHome, giveFolder } from './services/home.js';
import type { ServicesFile } from './services/spec.js';
import { endStragglers, ownsProcessTable } from './services/stragglers.js';
import { Supervisor } from './services/supervisor.js';
import type { SyncEngine } from './sync/engine.js';
import { PullSchedule } from './sync/pull-schedule.js';
import type { HomeKeeper } from './sync/home.js';
import type { Owner } from './sync/safe-path.js';
import { Ticker } from './ticker.js';
import { createWebProxy } from './web/proxy.js';

/** Between TERM and KILL for the user's processes. */
const SERVICE_GRACE_MS = 8_000;
/** Kept back from the time to stop, for the last report and the exit. */
const STOP_MARGIN_MS = 5_000;
/** The home changes all the time (editors note what is open) and matters less than the work. */
const HOME_INTERVAL_MS = 300_000;
/** Hundreds of thousands of files are looked at less often: for at most this part of the time. */
const MAX_LOOK_SHARE = 0.05;
/** Part of a core that an IDE at rest stays below. */
const BUSY_CORES = 0.1;
/** Bytes a second that an open page at rest stays below. */
const BUSY_TRAFFIC = 2_048;
/** How long a restore that failed for good is shown before the container ends by itself. */
const FAILED_WAIT_MS = 120_000;

export interface AgentParts {
  config: AgentConfig;
  services: ServicesFile;
  engine: SyncEngine;
  home: HomeKeeper;
  owner: Owner;
  log: Logger;
  exit: (code: number) => void;
}

/** Does what the lifecycle says, with the parts that do the work, and tells the API about it. */
export class Agent {
  private state: LifeState = 'idle';
  private message: string | undefined;
  private finalSync: FinalSync | undefined;
  private webListening = false;
  private readonly reporter: Reporter;
  private readonly supervisor: Supervisor;
  private readonly ticker: Ticker;
  private readonly homeTicker: Ticker;
  private readonly servers: Server[] = [];
  private readonly pulls = new PullSchedule();
  private readonly terminals = new Terminals(USER.uid);
  private readonly idle: IdleWatch;
  private readonly traffic = new UsersTraffic();
  private readonly disk: DiskWatch;
  private killsTold = 0;
  private readonly cancelRestore = new AbortController();
  private restoring: Promise<void> = Promise.resolve();
  /** On the clock of `performance.now()`, which nobody sets. */
  private stopDeadline = Infinity;

  constructor(private readonly parts: AgentParts) {
    const { config, services, owner, log } = parts;
    this.reporter = new Reporter(
      { url: new URL('/agent/report', config.BERTH_API_URL).href, token: config.BERTH_AGENT_TOKEN },
      () => this.report(),
      log,
      ({ pull, idle }) => {
        this.pulls.want(pull);
        this.idle.hear(idle);
      },
    );
    const dropBounding = canDropBounding();
    this.supervisor = new Supervisor(services, {
      wrap: (command) => (owner ? asUser(command, dropBounding) : [...command]),
      env: userEnvironment({
        home: homeOf(config),
        workspaceId: config.BERTH_WORKSPACE_ID,
        urls: config.BERTH_URLS,
        timezone: process.env.TZ,
      }),
      owner,
      log,
      onChange: () => this.onServiceChange(),
    });
    const interval = () => Math.max(config.BERTH_SYNC_INTERVAL * 1000, parts.engine.lookMs / MAX_LOOK_SHARE);
    this.ticker = new Ticker(interval, () => this.cycle());
    this.homeTicker = new Ticker(
      () => HOME_INTERVAL_MS,
      () => this.traffic.during(parts.home.cycle()),
    );
    this.idle = new IdleWatch({
      sources: [
        this.terminals,
        new RateSource('cpu', () => cpuSeconds(USER.uid), BUSY_CORES),
        new RateSource('traffic', () => this.traffic.bytes(), BUSY_TRAFFIC),
      ],
      filesChangedAt: () => parts.engine.activityAt,
      lookAtFiles: () => this.ticker.now(),
      warn: (leftMs) => this.warnOfIdleStop(leftMs),
      tell: () => this.reporter.tell(),
      ask: (activity) => askForEnd(parts.config, activity),
      log,
      now: Date.now,
    });
    const limit = config.BERTH_DISK_LIMIT_GIB * GIB;
    this.disk = new DiskWatch({
      folders: [config.BERTH_WORKSPACE_DIR, config.BERTH_STATE_HOME, tmpdir()],
      limitBytes: limit === 0 ? null : limit,
      onChange: (trouble) => this.tellOfDisk(trouble),
      log,
    });
  }

  /** Begins the run; everything else follows from events. */
  begin(): void {
    this.reporter.start();
    this.happen({ type: 'begin' });
  }

  /** SIGTERM came. */
  term(): void {
    if (this.stopDeadline === Infinity)
      this.stopDeadline = performance.now() + this.parts.config.BERTH_STOP_GRACE * 1000 - STOP_MARGIN_MS;
    this.happen({ type: 'term' });
  }

  private happen(event: LifeEvent): void {
    const { state, effects } = step(this.state, event);
    if (state !== this.state) this.parts.log.info('state', { state, before: this.state });
    this.state = state;
    for (const effect of effects) this.perform(effect);
  }

  private perform(effect: LifeEffect): void {
    switch (effect.do) {
      case 'report':
        this.message = effect.message;
        this.reporter.tell();
        return;
      case 'restore':
        this.restoring = this.restore();
        return this.background(this.restoring);
      case 'cancelRestore':
        return this.cancelRestore.abort(new Error('the workspace is stopping'));
      case 'startServices':
        return this.background(this.startServices());
      case 'startCycles':
        this.ticker.start();
        this.idle.start();
        this.disk.start();
        return this.homeTicker.start(HOME_INTERVAL_MS);
      case 'waitForTerm':
        setTimeout(() => this.happen({ type: 'gaveUp' }), FAILED_WAIT_MS);
        return;
      case 'stop':
        return this.background(this.stop(effect.restored));
      case 'exit':
        return this.background(this.leave(effect.exitCode));
    }
  }

  /** A failure nobody expected ends the container, which is then seen and started again. */
  private background(work: Promise<void>): void {
    work.catch((error: unknown) => {
      this.parts.log.error('unexpected failure', { error });
      this.parts.exit(70);
    });
  }

  private async restore(): Promise<void> {
    const { engine, log } = this.parts;
    const startedAt = performance.now();
    try {
      await engine.restore(this.cancelRestore.signal, (message) => {
        if (this.message === message) return;
        log.warn('restore is waiting for the S3 server', { error: message });
        this.message = message;
        this.reporter.tell();
      });
    } catch (error) {
      if (this.cancelRestore.signal.aborted) return;
      log.error('restore failed for good', { error: messageOf(error) });
      // Nothing runs that could write, and the container may be gone before it is asked to stop: what can
      // be said at the end is said now.
      this.finalSync = (await engine.nothingToSave()) ?? undefined;
      return this.happen({ type: 'restoreFailed', message: messageOf(error) });
    }
    try {
      await this.parts.home.restore(this.cancelRestore.signal);
    } catch {
      // Aborted: the stop is under way.
      return;
    }
    const { downloaded, files, bytes } = engine.status();
    log.info('files restored', { downloaded, files, bytes, ms: Math.round(performance.now() - startedAt) });
    this.happen({ type: 'restored' });
  }

  private async startServices(): Promise<void> {
    const { config, services, owner, log } = this.parts;
    this.message = undefined;
    giveFolder(config.BERTH_WORKSPACE_DIR, owner);
    await fillHome(homeOf(config), config.BERTH_SKELETON_DIR, owner);
    await this.supervisor.start();
    const desktop = createDesktopServer({
      files: await loadStaticFiles(config.BERTH_NOVNC_DIR),
      rfbSocket: services.rfbSocket,
      log,
    });
    const web = createWebProxy(config.BERTH_WEB_PORT);
    this.servers.push(desktop, web);
    await Promise.all([listen(desktop, config.BERTH_DESKTOP_LISTEN), listen(web, config.BERTH_WEB_LISTEN)]);
    this.webListening = true;
    await this.supervisor.whenReady();
    this.happen({ type: 'servicesUp' });
  }

  private async cycle(): Promise<void> {
    try {
      const pulled = await this.pull();
      const changed = await this.traffic.during(this.parts.engine.cycle(), (changed) => changed);
      const kills = oomKills();
      const worthTelling = changed || pulled || kills !== this.killsTold;
      this.killsTold = kills;
      if (!worthTelling) tidyMemory();
      else if (this.state === 'ready') this.reporter.tell();
    } catch (error) {
      // Whatever it is, the user's work goes on, and so does the next cycle.
      this.parts.log.error('sync cycle failed unexpectedly', { error });
    }
  }

  private warnOfIdleStop(leftMs: number): void {
    const left = inWords(leftMs);
    this.parts.log.info('nobody works: the workspace is about to be stopped', { left });
    const line = `Nobody works here: this workspace stops in ${left}, with all files saved. Change a file to keep it.`;
    this.background(this.terminals.print(line));
  }

  private tellOfDisk(trouble: string | null): void {
    this.reporter.tell();
    if (trouble === null) return;
    this.parts.log.warn('the disk', { trouble });
    this.background(this.terminals.print(trouble));
  }

  /** @returns whether it is worth a report */
  private async pull(): Promise<boolean> {
    const startedAt = performance.now();
    if (!this.pulls.isDue(startedAt)) return false;
    const outcome = await this.traffic.during(this.parts.engine.pull());
    this.pulls.done(startedAt, performance.now(), outcome.succeeded);
    return outcome.changed;
  }

  private async stop(restored: boolean): Promise<void> {
    const { engine, home, log } = this.parts;
    // A cycle in the middle of a large upload is no reason to let the user's programs wait for their end.
    await Promise.all([
      this.endUsersProcesses(),
      ...[this.idle.stop(), this.disk.stop(), this.ticker.stop(), this.homeTicker.stop()],
    ]);
    await Promise.all(this.servers.map(shut));
    this.webListening = false;
    // One that was broken off has answers under way still, and an engine does one job at a time.
    await this.restoring;
    const giveUp = AbortSignal.timeout(Math.max(0, Math.round(this.stopDeadline - performance.now())));
    const { finalSync, exitCode } = await engine.final(giveUp);
    // After the work, which matters more, and only if there was any.
    if (restored) await home.final(giveUp);
    this.finalSync = finalSync;
    log.info('final sync', { finalSync, exitCode });
    this.happen({ type: 'stopped', exitCode });
  }

  private async endUsersProcesses(): Promise<void> {
    await this.supervisor.stop(SERVICE_GRACE_MS);
    if (this.parts.owner && ownsProcessTable()) await endStragglers(USER.uid, SERVICE_GRACE_MS / 2);
  }

  private async leave(exitCode: number): Promise<void> {
    const leftMs = this.stopDeadline + STOP_MARGIN_MS / 2 - performance.now();
    const arrived = await this.reporter.flush(Math.min(leftMs, FAILED_WAIT_MS));
    if (!arrived) this.parts.log.warn('the last report did not reach the API');
    this.reporter.stop();
    this.parts.exit(exitCode);
  }

  private onServiceChange(): void {
    if (this.state === 'ready') this.reporter.tell();
  }

  private report(): AgentReport {
    const { config, engine } = this.parts;
    return {
      runId: config.BERTH_RUN_ID,
      state: this.state === 'idle' ? 'restoring' : this.state,
      ...(this.message === undefined ? {} : { message: this.message.slice(0, 2000) }),
      services: { ...this.supervisor.status(), web: this.webListening },
      sync: engine.status(),
      lastActivityAt: engine.activityAt,
      activity: this.idle.activity(),
      oomKills: oomKills(),
      ...(this.disk.disk === null ? {} : { disk: this.disk.disk }),
      ...(this.finalSync === undefined ? {} : { finalSync: this.finalSync }),
    };
  }
}
