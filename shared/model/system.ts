import * as z from 'zod';
import { PHASES } from './observed.js';

/** The record `system.json`, written by the controller every few seconds (R7.5). */
export const systemSchema = z.object({
  updatedAt: z.string(),
  docker: z.object({
    ok: z.boolean(),
    /** Engine version, when it answered at least once. */
    version: z.string().nullable(),
    message: z.string(),
  }),
  host: z.object({
    cpus: z.number(),
    /** 0–100, mean since the last measurement. */
    cpuPercent: z.number(),
    memoryTotalBytes: z.number(),
    memoryUsedBytes: z.number(),
    /** 0–100. */
    memoryPercent: z.number(),
    diskTotalBytes: z.number(),
    diskUsedBytes: z.number(),
  }),
  /** Whether there is room for another workspace (R7.3). */
  admission: z.object({
    limitPercent: z.number(),
    /** Left below the limit, what starts under way are about to take deducted. */
    freeBytes: z.number(),
  }),
  /** What an operator should know of, in sentences. */
  warnings: z.array(z.string()),
  workspaces: z.record(z.enum(PHASES), z.number()),
});

export type SystemStatus = z.infer<typeof systemSchema>;
