import { messageOf } from '../shared/errors.js';
import type { Logger } from '../shared/logger.js';
import type { AgentReport, FinalSync } from '../shared/model/report.js';
import type { AgentConfig } from './config.js';
import { Reporter } from './report/reporter.js';
import type { FinalOutcome, SyncEngine } from './sync/engine.js';
import type { HomeKeeper } from './sync/home.js';

/** Nobody waits for it, and a start that comes ends it: it may take what the largest file takes. */
const LONGEST_MS = 6 * 3_600_000;
/** How long the last report is tried. */
const FLUSH_MS = 60_000;

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
  const giveUp = AbortSignal.timeout(LONGEST_MS);
  const outcome = await save(engine, giveUp, log);
  const { finalSync } = outcome;
  ended.finalSync = finalSync;
  log.info('rescue ended', { finalSync });
  if (finalSync.ok) await home.final(giveUp);
  const arrived = await reporter.flush(FLUSH_MS);
  if (!arrived) log.warn('the last report did not reach the API');
  reporter.stop();
  return outcome.exitCode;
}

async function save(engine: SyncEngine, giveUp: AbortSignal, log: Logger): Promise<FinalOutcome> {
  try {
    await engine.restore(giveUp, () => undefined);
  } catch (error) {
    // A disk that is full, say, keeps nothing from being sent.
    log.warn('the bucket was not brought to the disk', { error: messageOf(error) });
  }
  const outcome = await engine.final(giveUp);
  if (outcome.finalSync.ok) return outcome;
  // A bucket that is gone is no reason to try for ever, where there is nothing to save.
  const nothing = await engine.nothingToSave();
  return nothing === null ? outcome : { finalSync: nothing, exitCode: 0 };
}
