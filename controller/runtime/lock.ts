import { isDeepStrictEqual } from 'node:util';
import * as z from 'zod';
import type { Clock } from '../../shared/clock.js';
import { BerthError, RecordConflictError } from '../../shared/errors.js';
import type { RecordFile } from '../../shared/store/record-file.js';
import type { Owner, Owners } from '../ports/owners.js';

/** How long a lock holds that nobody renews, and how often its owner does. */
const LEASE_MS = 15_000;
const RENEW_MS = 5_000;

export const lockSchema = z.object({
  /** Tells one life of a controller from another. */
  id: z.string(),
  host: z.string(),
  pid: z.number().int(),
  container: z.boolean(),
  acquiredAt: z.string(),
  renewedAt: z.string(),
});
export type Lock = z.infer<typeof lockSchema>;

export interface ControllerLockOptions {
  file: Pick<RecordFile<Lock>, 'file' | 'read' | 'write' | 'create' | 'remove' | 'moveAway'>;
  self: Owner & { id: string };
  owners: Owners;
  clock: Clock;
  /** The lock is somebody else's by now: whoever went on acting would undo what the other one does. */
  onLost: (lock: Lock) => void;
  onError: (error: unknown) => void;
}

/** Only one controller may act on a state folder and its engine at a time. */
export class ControllerLock {
  private cancel: () => void = () => undefined;
  private released = false;
  private acquiredAt = '';

  constructor(private readonly options: ControllerLockOptions) {}

  /** @throws BerthError `BERTH_CONTROLLER_LOCKED` when another controller has it */
  async acquire(): Promise<void> {
    const { file, owners, clock } = this.options;
    const held = await file.read();
    if (held !== null) {
      const age = clock.now().getTime() - Date.parse(held.renewedAt);
      const alive = await owners.isAlive(held);
      if (alive === true || (alive === 'unknown' && age < LEASE_MS)) throw locked(held, file.file);
    }
    this.acquiredAt = clock.now().toISOString();
    try {
      if (held !== null) await this.clear(held);
      await file.create(this.lock());
    } catch (error) {
      const winner = error instanceof RecordConflictError ? await file.read() : null;
      throw winner === null ? error : locked(winner, file.file);
    }
    this.schedule();
  }

  /**
   * Removes the lock that was judged, and no other: another controller may have judged the same one, taken
   * its place and be at work by now.
   */
  private async clear(judged: Lock): Promise<void> {
    const { file } = this.options;
    const away = await file.moveAway();
    if (away === null) return;
    try {
      const found = await away.read();
      if (found === null || isDeepStrictEqual(found, judged)) return;
      await file.create(found);
      throw locked(found, file.file);
    } finally {
      await away.remove();
    }
  }

  /** Gives it back, so that the next controller need not ask. */
  async release(): Promise<void> {
    const { file, self } = this.options;
    this.released = true;
    this.cancel();
    if ((await file.read())?.id === self.id) await file.remove();
  }

  private schedule(): void {
    this.cancel = this.options.clock.after(RENEW_MS, () => void this.renew());
  }

  private async renew(): Promise<void> {
    const { file, self, onLost, onError } = this.options;
    try {
      const held = await file.read();
      if (this.released) return;
      if (held !== null && held.id !== self.id) return onLost(held);
      await file.write(this.lock());
    } catch (error) {
      onError(error);
    }
    this.schedule();
  }

  private lock(): Lock {
    const { self, clock } = this.options;
    return { ...self, acquiredAt: this.acquiredAt, renewedAt: clock.now().toISOString() };
  }
}

function locked({ host, pid, acquiredAt, renewedAt }: Lock, file: string): BerthError {
  return new BerthError(
    'BERTH_CONTROLLER_LOCKED',
    `another controller works on this state folder: ${host}, process ${pid}, since ${acquiredAt}, last heard of at ${renewedAt}. Stop that one; if it is gone, wait for ${LEASE_MS / 1000} s or remove ${file}`,
  );
}
