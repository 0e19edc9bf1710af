import * as z from 'zod';
import { observedSchema } from './observed.js';
import { storedReportSchema } from './report.js';

/** What is left on record of a workspace that was stopped for long (R6.6). */
export const archivedSchema = z.object({
  /** ISO time. */
  archivedAt: z.string(),
  /** The last record; its `declared` is the declaration that was last in force. */
  observed: observedSchema,
  report: storedReportSchema.nullable(),
});
export type Archived = z.infer<typeof archivedSchema>;
