import type { Resources } from './desired.js';

const MIB = 1024 ** 2;

/** What an IDE and a desktop take when they start (measured: 110 MB at rest); what Swarm reserves for a workspace. */
const START_BYTES = 256 * MIB;

/** Memory that a start needs at once; what it may take later is not known to anybody. */
export const startBytes = ({ memoryBytes }: Pick<Resources, 'memoryBytes'>): number =>
  Math.min(START_BYTES, memoryBytes);

export interface HostMemory {
  totalBytes: number;
  usedBytes: number;
}

/**
 * What may still be taken before the host's memory counts as full (R7.3).
 *
 * @param promisedBytes - for starts under way, which have not taken it yet
 * @returns bytes, never negative
 */
export function freeBytes(memory: HostMemory, promisedBytes: number, limitPercent: number): number {
  const mayUse = (memory.totalBytes * limitPercent) / 100;
  return Math.max(0, Math.floor(mayUse - memory.usedBytes - promisedBytes));
}

/** Why a start has to wait; null when there is room for it. */
export function memoryPressure(needBytes: number, free: number, limitPercent: number): string | null {
  if (needBytes <= free) return null;
  return `It needs ${mib(needBytes)} of memory to start, and ${mib(free)} are left below the limit of ${limitPercent} % of this server.`;
}

const mib = (bytes: number) => `${Math.round(bytes / MIB)} MiB`;
