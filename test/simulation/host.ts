import { GIB } from '../../shared/model/desired.js';
import type { SystemStatus } from '../../shared/model/system.js';
import type { Capacity } from '../../controller/ports/capacity.js';

const TOTAL_BYTES = 16 * GIB;

/** The server: its memory is what others take, and what the containers take. */
export class Host implements Capacity {
  /** Memory that others take. */
  othersBytes = 2 * GIB;
  readonly containers = new Map<string, number>();

  get totalBytes(): number {
    return TOTAL_BYTES;
  }

  get usedBytes(): number {
    return [...this.containers.values()].reduce((sum, bytes) => sum + bytes, this.othersBytes);
  }

  async memory() {
    return { totalBytes: TOTAL_BYTES, usedBytes: this.usedBytes };
  }

  async measure(): Promise<SystemStatus['host']> {
    return {
      cpus: 4,
      cpuPercent: 10,
      memoryTotalBytes: TOTAL_BYTES,
      memoryUsedBytes: this.usedBytes,
      memoryPercent: Math.round((100 * this.usedBytes) / TOTAL_BYTES),
      diskTotalBytes: 100 * GIB,
      diskUsedBytes: 10 * GIB,
    };
  }
}
