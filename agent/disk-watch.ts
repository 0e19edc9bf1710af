import { execFile } from 'node:child_process';
import { statfs } from 'node:fs/promises';
import { promisify } from 'node:util';
import { messageOf } from '../shared/errors.js';
import type { Logger } from '../shared/logger.js';
import { diskTrouble, type Disk } from '../shared/model/disk.js';
import { Ticker } from './ticker.js';

const run = promisify(execFile);

/** Adding up costs time: 50,000 files take about 0.3 s. */
const INTERVAL_MS = 300_000;

export interface DiskWatchOptions {
  folders: readonly string[];
  /** null: there is none. */
  limitBytes: number | null;
  /** Something went wrong, or is well again (null). */
  onChange: (trouble: string | null) => void;
  log: Logger;
  intervalMs?: number;
}

/** Adds up from time to time what the workspace takes on the disk. */
export class DiskWatch {
  private last: Disk | null = null;
  private trouble: string | null = null;
  private readonly ending = new AbortController();
  private readonly ticker: Ticker;

  constructor(private readonly options: DiskWatchOptions) {
    this.ticker = new Ticker(
      () => options.intervalMs ?? INTERVAL_MS,
      () => this.look(),
    );
  }

  /** null before the first look. */
  get disk(): Disk | null {
    return this.last;
  }

  start(): void {
    this.ticker.start();
  }

  /** Breaks off a look: a stop does not wait until millions of files are added up. */
  stop(): Promise<void> {
    this.ending.abort();
    return this.ticker.stop();
  }

  private async look(): Promise<void> {
    const { limitBytes, log, onChange } = this.options;
    try {
      const [usedBytes, freeBytes] = await Promise.all([this.used(), this.free()]);
      this.last = { usedBytes, limitBytes, freeBytes };
    } catch (error) {
      if (this.ending.signal.aborted) return;
      log.warn('the use of the disk could not be found out', { error: messageOf(error) });
      return;
    }
    const trouble = diskTrouble(this.last);
    if ((trouble?.reason ?? null) === this.trouble) return;
    this.trouble = trouble?.reason ?? null;
    onChange(trouble?.message ?? null);
  }

  private async used(): Promise<number> {
    const args = [
      '-n',
      '19',
      'du',
      '--summarize',
      '--one-file-system',
      '--block-size=1',
      '--',
      ...this.options.folders,
    ];
    // It fails where a file vanishes meanwhile, and has added up the others.
    const { signal } = this.ending;
    const { stdout } = await run('nice', args, { signal }).catch((error: { stdout?: string }) => {
      if (!error.stdout || signal.aborted) throw error;
      return { stdout: error.stdout };
    });
    return stdout.split('\n').reduce((sum, line) => sum + (Number.parseInt(line, 10) || 0), 0);
  }

  private async free(): Promise<number> {
    const { bavail, bsize } = await statfs(this.options.folders[0] ?? '/');
    return bavail * bsize;
  }
}
