import * as z from 'zod';
import { GIB } from './desired.js';

const bytes = z.number().int().nonnegative();

/** What a workspace takes of the server's disk, which it shares with all others. */
export const diskSchema = z.object({
  /** Its files, home and temporary files. */
  usedBytes: bytes,
  /** More than this is too much; null: there is no limit. */
  limitBytes: bytes.nullable(),
  /** What is left for everybody. */
  freeBytes: bytes,
});
export type Disk = z.infer<typeof diskSchema>;

/** With less than this left, everybody's work is in danger. */
const NEARLY_FULL = GIB;

export interface DiskTrouble {
  reason: 'OverLimit' | 'ServerFull';
  /** A sentence for people, which says what to do. */
  message: string;
}

/** What is wrong, if anything. Nothing is taken away: no file that somebody wrote is ever refused. */
export function diskTrouble({ usedBytes, limitBytes, freeBytes }: Disk): DiskTrouble | null {
  if (limitBytes !== null && usedBytes > limitBytes) {
    const message = `It takes ${gib(usedBytes)} of the server's disk, and ${gib(limitBytes)} are its share: remove what you do not need.`;
    return { reason: 'OverLimit', message };
  }
  if (freeBytes >= NEARLY_FULL) return null;
  return { reason: 'ServerFull', message: `The server's disk is nearly full: ${gib(freeBytes)} are left.` };
}

const gib = (bytes: number) => `${(bytes / GIB).toFixed(1)} GiB`;
