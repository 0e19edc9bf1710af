import { isDirId, type EntryId } from '../../shared/bucket/keys.js';
import { keyFor, type SyncContext } from './context.js';
import { isOwn } from './own.js';
import { S3Error } from '../../shared/s3/s3-error.js';
import { fetchWanted } from './upload.js';

export type RemoveOutcome = 'deleted' | 'gone' | 'kept';

const MAX_ROUNDS = 4;

/**
 * Takes an entry that was deleted on the disk out of the bucket, but only the version that was known
 * here. What somebody else changed meanwhile comes back to the disk: a change beats a delete.
 *
 * @throws S3Error
 */
export async function removeEntry(context: SyncContext, id: EntryId): Promise<RemoveOutcome> {
  const known = context.state.entries.get(id);
  if (!known) return 'gone';
  const key = keyFor(context, id);
  let { etag } = known;
  for (let round = 1; round <= MAX_ROUNDS; round++) {
    try {
      await context.request(() => context.s3.remove(key, { kind: 'match', etag }));
      context.state.delete(id);
      context.counters.deleted += 1;
      return 'deleted';
    } catch (error) {
      const lost = error instanceof S3Error && (error.kind === 'precondition' || error.kind === 'missing');
      if (!lost) throw error;
    }
    const head = await context.request(() => context.s3.head(key));
    if (head === null) {
      context.state.delete(id);
      return 'gone';
    }
    if (isOwn(context, key, head) || isDirId(id) || head.etag === etag) {
      etag = head.etag;
      continue;
    }
    context.state.delete(id);
    context.wanted.set(id, key);
    await fetchWanted(context, id);
    return 'kept';
  }
  throw new S3Error('busy', 'TooManyWriters', 'others kept changing the object');
}
