import * as z from 'zod';

/** Checks in a row that have to fail before a workspace is called unhealthy (R8.2). */
export const FAILURES_TO_UNHEALTHY = 3;

/**
 * `healthy`: all three services answer. `degraded`: code-server does, another one does not. `failing`:
 * code-server did not answer the last check. `unhealthy`: nor the two before.
 */
export const HEALTH_STATUSES = ['healthy', 'degraded', 'failing', 'unhealthy'] as const;
export type HealthStatus = (typeof HEALTH_STATUSES)[number];

const trouble = z.string().nullable();

/** What the last check of a running workspace found (R8.4). */
export const healthSchema = z.object({
  status: z.enum(HEALTH_STATUSES),
  /** ISO time of the check. */
  checkedAt: z.string(),
  /** A sentence for people. */
  message: z.string(),
  /** What is wrong with each service; null: it answers as it should. */
  services: z.object({ vnc: trouble, code: trouble, web: trouble }),
  /** Failed checks in a row. */
  failures: z.number().int(),
  /** ISO time since when every check passed; null while the last one failed. */
  passingSince: z.string().nullable(),
});
export type Health = z.infer<typeof healthSchema>;

/** The one restart that an unhealthy workspace gets (R8.3). */
export const unhealthyRestartSchema = z.object({
  /** The run that was ended for it. */
  runId: z.string(),
  at: z.string(),
});
