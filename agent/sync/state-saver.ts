import { messageOf } from '../../shared/errors.js';
import type { Logger } from '../../shared/logger.js';
import type { LocalState, StateFile } from './state.js';

const EVERY_MS = 2_000;

/**
 * Writes the state now and then while much is changing, and at the end for sure. A state that is behind
 * is safe: what it does not know is found by comparing contents.
 */
export class StateSaver {
  private running: Promise<void> | null = null;
  private lastAt = 0;
  private failed = false;

  constructor(
    private readonly file: StateFile,
    private readonly state: LocalState,
    private readonly log: Logger,
    private readonly now: () => number,
  ) {}

  /** Starts a save when the last one is long enough ago; does not wait for it. */
  tick = async (): Promise<void> => {
    if (this.running || !this.state.dirty || Math.abs(this.now() - this.lastAt) < EVERY_MS) return;
    void this.start();
  };

  /** Waits until everything so far is on the disk, or could not be written (which is logged). */
  async flush(): Promise<void> {
    if (this.running) await this.running;
    if (this.state.dirty) await this.start();
  }

  private start(): Promise<void> {
    this.lastAt = this.now();
    this.running = this.save().finally(() => {
      this.running = null;
    });
    return this.running;
  }

  private async save(): Promise<void> {
    try {
      await this.file.save(this.state);
      this.failed = false;
    } catch (error) {
      if (!this.failed) this.log.error('sync state could not be saved', { error: messageOf(error) });
      this.failed = true;
    }
  }
}
