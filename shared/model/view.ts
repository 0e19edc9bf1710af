import * as z from 'zod';
import { resourcesSchema } from './desired.js';
import { diskSchema } from './disk.js';
import { HEALTH_STATUSES, healthSchema } from './health.js';
import { activitySchema } from './idle.js';
import { conditionSchema, historyEventSchema, PHASES, SHUTDOWN_REASONS } from './observed.js';
import { agentReportSchema, finalSyncSchema } from './report.js';
import { systemSchema } from './system.js';

const time = z.iso.datetime();
const url = z.url();

/** What the last health check found (R8.4); `unknown` before the first one, and while it does not run. */
export const healthViewSchema = z
  .object({
    status: z.enum([...HEALTH_STATUSES, 'unknown']),
    checkedAt: time.nullable(),
    message: z.string(),
    /** What is wrong with each service; null: nothing is known to be. */
    services: healthSchema.shape.services,
    failures: healthSchema.shape.failures,
  })
  .meta({ id: 'Health' });

/** A workspace as the API shows it (docs/api.md). */
export const workspaceViewSchema = z
  .object({
    containerId: z.string(),
    /** null only when the declaration was never a valid one. */
    bucketId: z.string().nullable(),
    prefix: z.string().nullable(),
    status: z.enum(PHASES),
    urls: z.object({ vnc: url, code: url, web: url }),
    /** The same with a token that opens them, for whoever may; null for others, in lists, and while it is stopped. */
    accessUrls: z.object({ vnc: url, code: url, web: url }).nullable(),
    image: z.string().nullable(),
    createdAt: time.nullable(),
    startedAt: time.nullable(),
    stoppedAt: time.nullable(),
    shutdownReason: z.enum(SHUTDOWN_REASONS).nullable(),
    /** When its records went to the archive; null while they are where they belong. */
    archivedAt: time.nullable(),
    message: z.string(),
    lastActivityAt: time.nullable(),
    /** When each watched sign of work was last seen. */
    activity: z.array(activitySchema),
    /** When it is stopped if nobody works in it until then; null while it does not run, and where that is off. */
    idleDeadline: time.nullable(),
    health: healthViewSchema,
    lastSyncAt: time.nullable(),
    /** What the agent of this run last said of its sync; null before it said anything. */
    sync: agentReportSchema.shape.sync.omit({ lastSyncAt: true }).nullable(),
    /** What it takes of the server's disk; null before that was added up. */
    disk: diskSchema.nullable(),
    finalSync: finalSyncSchema.nullable(),
    conditions: z.array(conditionSchema),
    labels: z.record(z.string(), z.string()),
    resources: resourcesSchema.nullable(),
    links: z.object({ self: z.string() }),
  })
  .meta({ id: 'Workspace' });

export const workspaceListSchema = z.object({
  items: z.array(workspaceViewSchema),
  /** What `?cursor=` takes to go on; null on the last page. */
  nextCursor: z.string().nullable(),
});

/** Links that open a workspace. */
export const accessLinksSchema = z.object({
  urls: z.object({ vnc: url, code: url, web: url }),
  expiresAt: time,
});

export const eventListSchema = z.object({ items: z.array(historyEventSchema) });

export const systemViewSchema = systemSchema.extend({
  /** The controller has not written for long. */
  stale: z.boolean(),
  api: z.object({ version: z.string(), uptimeSeconds: z.number().int() }),
});

export type WorkspaceView = z.infer<typeof workspaceViewSchema>;
export type HealthView = z.infer<typeof healthViewSchema>;
export type SystemView = z.infer<typeof systemViewSchema>;
