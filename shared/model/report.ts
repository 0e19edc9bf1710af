import * as z from 'zod';
import { diskSchema } from './disk.js';
import { activitySchema, idleRulesSchema } from './idle.js';

const count = z.number().int().nonnegative();
const isoTime = z.iso.datetime();
const words = z.string().max(2000);
/** A count that agents of earlier versions do not send. */
const addedCount = count.default(0);
const NONE = { count: 0, examples: [] };

/** How the last sync of a run ended; `ok` means that everything on the disk is in the bucket. */
export const finalSyncSchema = z.object({
  ok: z.boolean(),
  at: isoTime,
  files: count,
  bytes: count,
  failed: count,
  /** SHA-256 of the receipt's manifest; missing when there was nothing to save, or no receipt yet. */
  receipt: z.string().max(64).optional(),
  message: words.optional(),
});

/** What the API answers to a report. */
export const reportAnswerSchema = z.object({
  /** Others write to the same place: their changes are wanted. */
  pull: z.boolean(),
  /** When it counts as idle; missing from an API of an earlier version, and while nothing is known. */
  idle: idleRulesSchema.nullish(),
});

/** An agent's signal that its workspace shall be shut down (PUT /agent/shutdown, R5.6). */
export const shutdownSignalSchema = z.object({
  runId: z.string().max(64),
  reason: z.enum(['Inactivity']),
  activity: z.array(activitySchema).max(16),
});

/** What the API answers to it: it may know of an extension, or of newer rules. */
export const shutdownAnswerSchema = z.object({ accepted: z.boolean(), idle: idleRulesSchema.nullable() });

/** What an agent tells about its workspace (PUT /agent/report). */
export const agentReportSchema = z.object({
  runId: z.string().max(64),
  state: z.enum(['restoring', 'starting', 'ready', 'failed', 'stopping', 'finished']),
  /** Error in words, with the S3 error's code where there is one. */
  message: words.optional(),
  services: z.object({ code: z.boolean(), vnc: z.boolean(), web: z.boolean() }).optional(),
  sync: z.object({
    lastSyncAt: isoTime.nullable(),
    /** Entries of the disk that are not in the bucket as they are, and the bytes of the files among them. */
    pendingFiles: count,
    pendingBytes: addedCount,
    files: count,
    bytes: count,
    uploaded: count,
    downloaded: count,
    deleted: count,
    failed: count,
    /** Versions that were kept beside another writer's, since the agent started. */
    conflicts: count,
    /** Sockets, pipes and devices: not kept. */
    special: count,
    /** Names of hard links beyond the first of each file: they become files of their own. */
    hardLinks: addedCount,
    /** Files and folders that `.berthignore` or the default leave on the disk only. */
    leftOut: z.object({ count, examples: z.array(z.string().max(200)).max(10) }),
    /** Objects that stay in the bucket only, since they cannot become files; some of their keys. */
    refused: z.object({ count, examples: z.array(z.string().max(200)).max(10) }).default(NONE),
    error: words.nullable(),
  }),
  /** Last change of a workspace file that the walk has seen. */
  lastActivityAt: isoTime.nullable(),
  /** When each signal that is watched was last seen. */
  activity: z.array(activitySchema).max(16).default([]),
  /** Processes of this container that the kernel has killed for want of memory. */
  oomKills: addedCount,
  /** Missing before it was added up for the first time. */
  disk: diskSchema.optional(),
  finalSync: finalSyncSchema.optional(),
});

/** The record `reports/<id>.json`: the newest report and when the API received it. */
export const storedReportSchema = agentReportSchema.extend({ receivedAt: isoTime });

export type FinalSync = z.infer<typeof finalSyncSchema>;
export type ShutdownSignal = z.infer<typeof shutdownSignalSchema>;
export type ShutdownAnswer = z.infer<typeof shutdownAnswerSchema>;
export type AgentReport = z.infer<typeof agentReportSchema>;
export type ReportAnswer = z.infer<typeof reportAnswerSchema>;
export type StoredReport = z.infer<typeof storedReportSchema>;
