import * as z from 'zod';

/** What the API answers to an agent that needs S3 keys (GET /agent/credentials). */
export const sessionKeysSchema = z.object({
  accessKeyId: z.string().min(1),
  secretAccessKey: z.string().min(1),
  sessionToken: z.string().min(1),
  expiresAt: z.iso.datetime(),
});
