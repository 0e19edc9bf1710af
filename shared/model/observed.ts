import * as z from 'zod';
import { CONDITION_TYPES } from './condition.js';
import { desiredSchema } from './desired.js';
import { healthSchema, unhealthyRestartSchema } from './health.js';
import { finalSyncSchema } from './report.js';

/** R6.3. Derived from conditions by the controller, never set by anyone else. */
export const PHASES = ['starting', 'running', 'stopping', 'stopped'] as const;
export type Phase = (typeof PHASES)[number];

/** Why a workspace stopped (R6.4). */
export const SHUTDOWN_REASONS = [
  'UserRequest',
  'OperatorRequest',
  'Inactivity',
  'MaxAge',
  'StartFailed',
  'Crashed',
  'OutOfMemory',
  'Unhealthy',
] as const;
export type ShutdownReason = (typeof SHUTDOWN_REASONS)[number];

const isoTime = z.string();
export const conditionSchema = z.object({
  type: z.enum(CONDITION_TYPES),
  status: z.enum(['True', 'False', 'Unknown']),
  reason: z.string(),
  message: z.string(),
  lastTransitionTime: isoTime,
});

/** A workspace that ended by itself stays stopped until its declaration changes. */
const haltSchema = z.object({
  generation: z.string(),
  reason: z.enum(SHUTDOWN_REASONS),
  message: z.string(),
});
export type Halt = z.infer<typeof haltSchema>;

/** One thing that happened to a workspace. */
export const historyEventSchema = z.object({
  at: isoTime,
  type: z.enum(['Normal', 'Warning']),
  /** One CamelCase word for programs. */
  reason: z.string(),
  /** A sentence for people. */
  message: z.string(),
});
export type HistoryEvent = z.infer<typeof historyEventSchema>;

/** How many a record keeps; the oldest go first. */
export const MAX_EVENTS = 100;

const rescueSchema = z.object({
  /** How many were begun. */
  attempts: z.number().int(),
  /** When the next one is due. */
  nextAt: isoTime,
  /** The run of the one that is under way. */
  runId: z.string().nullable(),
});
export type Rescue = z.infer<typeof rescueSchema>;

/** The record `observed/<id>.json`; the controller is its only writer. */
export const observedSchema = z.object({
  id: z.string(),
  uid: z.string(),
  /** The last valid declaration: it stays in force while the file is broken, and tells what to stop once it is gone. */
  declared: desiredSchema.nullable(),
  phase: z.enum(PHASES),
  /** A sentence about what is going on, for people. */
  message: z.string(),
  conditions: z.array(conditionSchema),
  urls: z.object({ vnc: z.string(), code: z.string(), web: z.string() }),
  /** The generation of the declaration that this record answers to. */
  observedGeneration: z.string(),
  /** Identifies one start-to-stop life of the container; null while nothing was started. */
  runId: z.string().nullable(),
  serviceId: z.string().nullable(),
  networkId: z.string().nullable(),
  /** Volumes of the workspace that exist, those of earlier declarations too. */
  volumes: z.array(z.string()),
  /** Volumes that this run mounts: its final sync speaks for these and no others. */
  runVolumes: z.array(z.string()),
  /** Where this run's files belong; null before the first run. */
  runTarget: z.object({ bucket: z.string(), prefix: z.string() }).nullable(),
  node: z.string().nullable(),
  /** The task and gateway container for which the routes were proven. */
  provenRoute: z.string().nullable(),
  /** A container of this run was seen running. */
  containerStarted: z.boolean(),
  /** The volumes held files of an earlier run, not proven to be in the bucket, when this run began. */
  unsavedBefore: z.boolean(),
  createdAt: isoTime,
  /** When the controller took this run on, when its URLs first answered, when its last part was gone. */
  acceptedAt: isoTime.nullable(),
  startedAt: isoTime.nullable(),
  stoppingAt: isoTime.nullable(),
  stoppedAt: isoTime.nullable(),
  /** When the run before this one was stopped; not that of a container that was only replaced. */
  lastStoppedAt: isoTime.nullable().default(null),
  shutdownReason: z.enum(SHUTDOWN_REASONS).nullable(),
  /** When access was revoked last; an edit of the declaration's file may lose what it says of that. */
  accessRevokedAt: isoTime.nullable().default(null),
  finalSync: finalSyncSchema.nullable(),
  /** The receipt of this run was read back from the bucket. */
  receiptVerified: z.boolean(),
  /** Tries to bring to the bucket what this run left on its volumes; null when there is no need. */
  rescue: rescueSchema.nullable(),
  halt: haltSchema.nullable(),
  /** What the last check of this run found; null before the first one. */
  health: healthSchema.nullable().default(null),
  /** Not forgotten before it has been well for a while. */
  unhealthyRestart: unhealthyRestartSchema.nullable().default(null),
  /** What happened, the newest last; records of earlier versions have none. */
  events: z.array(historyEventSchema).default([]),
});

export type Observed = z.infer<typeof observedSchema>;
