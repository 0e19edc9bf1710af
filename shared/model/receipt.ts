import { createHash } from 'node:crypto';
import * as z from 'zod';
import { isContent } from './bucket-layout.js';

const count = z.number().int().nonnegative();

/**
 * The object `.berth/receipts/<workspace>/<run>.json`, which an agent writes last of all: when it is in the
 * bucket, so is everything that was on the disk. Volumes are removed only after it was read back.
 */
export const receiptSchema = z.object({
  version: z.literal(1),
  workspaceId: z.string(),
  runId: z.string(),
  at: z.iso.datetime(),
  files: count,
  bytes: count,
  /** Versions that were kept beside another writer's during this run. */
  conflicts: count,
  /** Objects of the workspace in the bucket, and what they are: see `manifestOf`. */
  objects: count,
  manifest: z.string().regex(/^[0-9a-f]{64}$/),
});

export type Receipt = z.infer<typeof receiptSchema>;

/**
 * Names the content of a bucket: SHA-256 over the lines `key TAB etag TAB size LF` of all objects of the
 * workspace, in the order of the keys' bytes.
 *
 * @param listed - all objects below `root`; reserved ones are skipped
 * @param root - see `rootOf`
 */
export function manifestOf(
  listed: Iterable<{ key: string; etag: string; size: number }>,
  root: string,
): { objects: number; manifest: string } {
  const content = [...listed].filter(({ key }) => isContent(root, key));
  content.sort((a, b) => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)));
  const hash = createHash('sha256');
  for (const { key, etag, size } of content) hash.update(`${key}\t${etag}\t${size}\n`);
  return { objects: content.length, manifest: hash.digest('hex') };
}
