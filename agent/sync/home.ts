import path from 'node:path';
import { messageOf } from '../../shared/errors.js';
import { HOME } from '../../shared/model/bucket-layout.js';
import type { Logger } from '../../shared/logger.js';
import type { RetryPolicy } from '../../shared/s3/retry.js';
import { SyncEngine } from './engine.js';
import type { S3Port } from '../../shared/s3/s3-port.js';
import { patternRules } from './rules.js';
import type { Owner } from './safe-path.js';

/** Of a home that grows beyond this the largest files are not kept: it shall never be in the way of the work. */
const MAX_BYTES = 512 * 1024 * 1024;
/** The work does not wait long for settings. */
const RESTORE_RETRY: RetryPolicy = { attempts: 4, baseMs: 250, maxMs: 2_000 };
const FINAL_MS = 30_000;

/** Caches, logs, sockets and what belongs to one run only. */
const LEFT_OUT = [
  '.cache/',
  '.npm/',
  '.yarn/',
  '.pnpm-store/',
  '.cargo/registry/',
  '.cargo/git/',
  '.rustup/',
  'go/pkg/',
  '.gradle/caches/',
  '.m2/repository/',
  '.local/share/Trash/',
  '.local/share/code-server/CachedExtensionVSIXs/',
  '.local/share/code-server/CachedProfilesData/',
  '.local/share/code-server/coder-logs/',
  '.local/share/code-server/heartbeat',
  '.local/share/code-server/logs/',
  '.ICEauthority',
  '.Xauthority',
  '.xsession-errors',
  '*.sock',
];

export interface HomeSettings {
  home: string;
  /** Where its state is kept, outside of it. */
  stateDir: string;
  /** The workspace's prefix in the bucket. */
  prefix: string;
  owner: Owner;
}

/**
 * Keeps the user's home (settings, extensions, history) in the bucket, without promises: where two
 * workspaces on one bucket change the same file, the last to write wins, and no failure stops the work.
 */
export class HomeKeeper {
  private constructor(
    private readonly engine: SyncEngine,
    private readonly log: Logger,
  ) {}

  static async open(settings: HomeSettings, s3: S3Port, log: Logger): Promise<HomeKeeper> {
    const logger = log.child({ part: 'home' });
    const engine = await SyncEngine.open(
      {
        workspaceDir: settings.home,
        stateDir: settings.stateDir,
        prefix: path.posix.join(settings.prefix, HOME),
        owner: settings.owner,
        createBucket: false,
        rules: patternRules(LEFT_OUT),
        lastWriterWins: true,
        maxBytes: MAX_BYTES,
        restoreRetry: RESTORE_RETRY,
      },
      s3,
      logger,
    );
    return new HomeKeeper(engine, logger);
  }

  /** @throws only the signal's reason */
  async restore(signal: AbortSignal): Promise<void> {
    try {
      await this.engine.restore(signal, () => undefined);
    } catch (error) {
      signal.throwIfAborted();
      const next = this.engine.restored
        ? ''
        : '; it is not saved either: what is in the bucket would be replaced';
      this.log.warn(`the home could not be restored, work goes on without${next}`, {
        error: messageOf(error),
      });
    }
  }

  async cycle(): Promise<void> {
    if (!this.engine.restored) return;
    try {
      await this.engine.cycle();
    } catch (error) {
      this.log.warn('the home could not be saved', { error: messageOf(error) });
    }
  }

  /**
   * Saves it a last time.
   *
   * @param giveUp - comes later than its own limit, or ends it
   */
  async final(giveUp: AbortSignal): Promise<void> {
    if (!this.engine.restored) return;
    try {
      const { finalSync } = await this.engine.final(AbortSignal.any([giveUp, AbortSignal.timeout(FINAL_MS)]));
      if (!finalSync.ok) this.log.warn('the home was not saved in full', { error: finalSync.message });
    } catch (error) {
      this.log.warn('the home could not be saved', { error: messageOf(error) });
    }
  }
}
