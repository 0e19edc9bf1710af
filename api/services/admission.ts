import type { Clock } from '../../shared/clock.js';
import { memoryPressure, startBytes } from '../../shared/model/admission.js';
import type { Resources } from '../../shared/model/desired.js';
import type { SystemStatus } from '../../shared/model/system.js';
import type { Records } from '../../shared/store/records.js';
import { Problem } from '../problem.js';
import { isStale } from './system.js';

/** Memory comes free when somebody stops working, not within seconds. */
const RETRY_AFTER_SECONDS = 30;

/**
 * Refuses starts for which the server has no memory, at once and with numbers. What the controller wrote
 * last is some seconds old; it looks once more before it starts anything.
 */
export class Admission {
  private asOf = '';
  /** To starts that were declared since then. */
  private promisedBytes = 0;

  constructor(
    private readonly records: Records,
    private readonly clock: Clock,
  ) {}

  /** @throws Problem `BERTH_CAPACITY` */
  async assertRoom(resources: Resources): Promise<void> {
    const system = await this.read();
    if (system === null || isStale(system, this.clock.now())) return;
    if (system.updatedAt !== this.asOf) {
      this.asOf = system.updatedAt;
      this.promisedBytes = 0;
    }
    const { limitPercent, freeBytes } = system.admission;
    const need = startBytes(resources);
    const free = Math.max(0, freeBytes - this.promisedBytes);
    const why = memoryPressure(need, free, limitPercent);
    if (why === null) {
      this.promisedBytes += need;
      return;
    }
    throw new Problem('BERTH_CAPACITY', `${why} Stop a workspace, or try again later.`, {
      headers: { 'Retry-After': String(RETRY_AFTER_SECONDS) },
      extra: {
        needBytes: need,
        freeBytes: free,
        limitPercent,
        running: system.workspaces.running ?? 0,
      },
    });
  }

  /** Without the controller's word nothing is refused here: the declaration waits for it anyway. */
  private read(): Promise<SystemStatus | null> {
    return this.records.system.read().catch(() => null);
  }
}
