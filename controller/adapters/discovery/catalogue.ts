import { createHash } from 'node:crypto';
import type { RawSweep } from '../docker/sweep.js';

/**
 * The engine's answers of the last good sweep, with a revision that moves only when something changed
 * that a route can depend on.
 */
export class Catalogue {
  private sweep: RawSweep | null = null;
  private print = '';
  private waiters = new Set<() => void>();
  revision = 0;

  get latest(): RawSweep | null {
    return this.sweep;
  }

  publish(sweep: RawSweep): void {
    this.sweep = sweep;
    const print = fingerprint(sweep);
    if (print === this.print) return;
    this.print = print;
    this.revision += 1;
    for (const wake of [...this.waiters]) wake();
  }

  /** Resolves when the revision is no longer `seen`, or after `ms` milliseconds. */
  changed(seen: number, ms: number, signal: AbortSignal): Promise<void> {
    if (this.revision !== seen || signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        this.waiters.delete(wake);
        signal.removeEventListener('abort', wake);
        resolve();
      };
      const timer = setTimeout(wake, ms);
      this.waiters.add(wake);
      signal.addEventListener('abort', wake, { once: true });
    });
  }
}

/** Services by their version, tasks by what they are: their version also moves when nothing did. */
function fingerprint(sweep: RawSweep): string {
  const parts = [
    sweep.services.map(({ ID, Version }) => [ID, Version?.Index]),
    sweep.tasks.map((task) => [task.ID, task.Status.State, task.DesiredState]),
    sweep.networks.map((network) => network.Id),
  ];
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}
