import { S3Error } from './s3-error.js';
import type { Condition, Metadata, S3Port, UploadedPart } from './s3-port.js';

const NONE: Condition = { kind: 'none' };

/**
 * Lets one writer work on a server that refuses conditional requests (501): then the condition is looked
 * up before the write. Between the look and the write another writer could come, so there must be no
 * other; the controller sees to that.
 */
export function forSingleWriter(s3: S3Port, onRefused: () => void): S3Port {
  let refused = false;

  async function under<T>(
    key: string,
    condition: Condition,
    send: (condition: Condition) => Promise<T>,
  ): Promise<T> {
    if (!refused) {
      try {
        return await send(condition);
      } catch (error) {
        if (!(error instanceof S3Error) || error.kind !== 'unsupported') throw error;
        refused = true;
        onRefused();
      }
    }
    await assertHolds(s3, key, condition);
    return send(NONE);
  }

  return {
    list: (prefix, signal) => s3.list(prefix, signal),
    head: (key) => s3.head(key),
    get: (key, signal) => s3.get(key, signal),
    put: (key: string, body: Buffer, metadata: Metadata, condition: Condition) =>
      under(key, condition, (held) => s3.put(key, body, metadata, held)),
    remove: (key, condition) => under(key, condition, (held) => s3.remove(key, held)),
    removeFolder: (key) => s3.removeFolder(key),
    startUpload: (key, metadata) => s3.startUpload(key, metadata),
    putPart: (key, uploadId, number, body) => s3.putPart(key, uploadId, number, body),
    completeUpload: (key: string, uploadId: string, parts: UploadedPart[], condition: Condition) =>
      under(key, condition, (held) => s3.completeUpload(key, uploadId, parts, held)),
    abortUpload: (key, uploadId) => s3.abortUpload(key, uploadId),
    createBucket: () => s3.createBucket(),
  };
}

async function assertHolds(s3: S3Port, key: string, condition: Condition): Promise<void> {
  if (condition.kind === 'none') return;
  const found = await s3.head(key);
  if (condition.kind === 'absent' ? found === null : found?.etag === condition.etag) return;
  throw new S3Error('precondition', 'PreconditionFailed', 'a condition did not hold', 412);
}
