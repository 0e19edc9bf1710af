import type { HostMemory } from '../../shared/model/admission.js';
import type { SystemStatus } from '../../shared/model/system.js';

export interface Capacity {
  /** Memory of the host now. */
  memory(): Promise<HostMemory>;
  /** Memory, CPU and disk of the host now; CPU is the mean since the last call. */
  measure(): Promise<SystemStatus['host']>;
}
