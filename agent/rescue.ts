import { messageOf } from '../shared/errors.js';
import type { Logger } from '../shared/logger.js';
import type { AgentReport, FinalSync } from '../shared/model/report.js';
import type { AgentConfig } from './config.js';
import { Reporter } from './report/reporter.js';
import type { FinalOutcome, SyncEngine } from './sync/engine.js';
import type { HomeKeeper } from './sync/home.js';

/** Kept back from the time to stop, for the last report. */
const REPORT_MS = 10_000;
/** How long the last report is tried. */
const FLUSH_MS = 60_000;
/** As in sysexits.h: trying again may help. */
const EXIT_AGAIN = 75;

export interface RescueParts {
  config: AgentConfig;
  engine: SyncEngine;
  home: HomeKeeper;
  log: Logger;
}

/**
 * Brings to the bucket what an ended workspace left on its volumes: what a start and a stop would do,
 * with nothing of the user's running in between.
 *
 * @returns exit code
 */
export async function rescue({ config, engine, home, log }: RescueParts): Promise<number> {
  const ended: { finalSync?: FinalSync } = {};
  const report = (): AgentReport => ({
    runId: config.BERTH_RUN_ID,
    state: ended.finalSync === undefined ? 'stopping' : 'finished',
    sync: engine.status(),
    // A rescue is no activity of the user's.
    lastActivityAt: null,
    activity: [],
    oomKills: 0,
    ...ended,
  });
  const settings = {
    url: new URL('/agent/report', config.BERTH_API_URL).href,
    token: config.BERTH_AGENT_TOKEN,
  };
  const reporter = new Reporter(settings, report, log);
  reporter.start();
  reporter.tell();
  const giveUp = AbortSignal.timeout(Math.max(0, Math.round(config.BERTH_STOP_GRACE * 1000) - REPORT_MS));
  const outcome = await save(engine, giveUp);
  const { finalSync } = outcome;
  ended.finalSync = finalSync;
  log.info('rescue ended', { finalSync });
  if (finalSync.ok) await home.final(giveUp);
  const arrived = await reporter.flush(FLUSH_MS);
  if (!arrived) log.warn('the last report did not reach the API');
  reporter.stop();
  return outcome.exitCode;
}

async function save(engine: SyncEngine, giveUp: AbortSignal): Promise<FinalOutcome> {
  try {
    await engine.restore(giveUp, () => undefined);
    return await engine.final(giveUp);
  } catch (error) {
    // A bucket that is gone is no reason to try for ever, where there is nothing to save.
    const nothing = await engine.nothingToSave();
    if (nothing !== null) return { finalSync: nothing, exitCode: 0 };
    const at = new Date().toISOString();
    const finalSync = { ok: false, at, files: 0, bytes: 0, failed: 0, message: messageOf(error) };
    return { finalSync, exitCode: EXIT_AGAIN };
  }
}
