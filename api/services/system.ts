import type { Clock } from '../../shared/clock.js';
import { messageOf } from '../../shared/errors.js';
import type { SystemStatus } from '../../shared/model/system.js';
import type { SystemView } from '../../shared/model/view.js';
import type { Records } from '../../shared/store/records.js';
import { Problem } from '../problem.js';

/** The controller writes every few seconds; older than this means that it does not run. */
const STALE_MS = 15_000;

export interface SystemOptions {
  records: Records;
  clock: Clock;
  version: string;
}

/** What the API knows of the host and of the controller, both from `system.json`. */
export class System {
  private readonly startedAt: number;

  constructor(private readonly options: SystemOptions) {
    this.startedAt = options.clock.elapsedMs();
  }

  /** @throws Problem `BERTH_NOT_READY` when the controller has not written anything (readable) yet */
  async status(): Promise<SystemView> {
    const system = await this.read();
    return {
      ...system,
      /** An old status is still worth seeing, but must not pass for a fresh one. */
      stale: isStale(system, this.options.clock.now()),
      api: {
        version: this.options.version,
        uptimeSeconds: Math.floor((this.options.clock.elapsedMs() - this.startedAt) / 1000),
      },
    };
  }

  /** @throws Problem `BERTH_NOT_READY`, saying what is missing */
  async assertReady(): Promise<void> {
    const missing = this.whyNotReady(await this.read());
    if (missing !== null) throw notReady(missing);
  }

  private whyNotReady(system: SystemStatus): string | null {
    if (isStale(system, this.options.clock.now())) {
      return `The controller does not run: its last sign of life is of ${system.updatedAt}. Look at its log.`;
    }
    if (!system.docker.ok) return `Docker does not answer the controller: ${system.docker.message}`;
    return null;
  }

  private async read(): Promise<SystemStatus> {
    let system: SystemStatus | null;
    try {
      system = await this.options.records.system.read();
    } catch (error) {
      throw notReady(`The controller's status cannot be read: ${messageOf(error)}`, error);
    }
    if (system === null) throw notReady('The controller has not written its status yet; does it run?');
    return system;
  }
}

/** Written so that a time that cannot be read counts as old. */
export function isStale({ updatedAt }: SystemStatus, now: Date): boolean {
  return !(now.getTime() - Date.parse(updatedAt) <= STALE_MS);
}

function notReady(detail: string, cause?: unknown): Problem {
  return new Problem('BERTH_NOT_READY', detail, { headers: { 'Retry-After': '5' }, cause });
}
