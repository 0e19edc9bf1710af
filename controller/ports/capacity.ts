import type { SystemStatus } from '../../shared/model/system.js';

export interface Capacity {
  /** Memory, CPU and disk of the host now; CPU is the mean since the last call. */
  measure(): Promise<SystemStatus['host']>;
}
