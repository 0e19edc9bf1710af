import { receiptKey, receiptsOf } from '../../shared/model/bucket-layout.js';
import { manifestOf, type Receipt } from '../../shared/model/receipt.js';
import type { ListedObject } from '../../shared/s3/s3-port.js';
import type { EntryId } from '../../shared/bucket/keys.js';
import { keyFor, type SyncContext } from './context.js';
import { forEachLimited } from './limits.js';
import { mayBeOwn } from './own.js';

/** Whose end a receipt confirms. */
export interface Run {
  workspaceId: string;
  runId: string;
  prefix: string;
}

/**
 * Compares what this replica believes to be in the bucket with what the server lists.
 *
 * @returns what is missing there, what is there in another version that may be this replica's own, and the list
 */
export async function compareWithBucket(
  context: SyncContext,
): Promise<{ missing: EntryId[]; older: EntryId[]; listed: ListedObject[] }> {
  const listed = await context.request(async () => {
    const objects: ListedObject[] = [];
    for await (const page of context.s3.list(context.keys.root)) objects.push(...page);
    return objects;
  });
  const etags = new Map(listed.map(({ key, etag }) => [key, etag]));
  const missing: EntryId[] = [];
  const others: EntryId[] = [];
  for (const [id, known] of context.state.entries) {
    const etag = etags.get(keyFor(context, id));
    if (etag === undefined) missing.push(id);
    else if (etag !== known.etag && known.kind !== 'dir') others.push(id);
  }
  return { missing, older: await ownAmong(context, others), listed };
}

/**
 * Another ETag is a later version by somebody who had seen ours, unless it is by ourselves: then the server went
 * back to it, or somebody else works on this volume too.
 */
async function ownAmong(context: SyncContext, ids: EntryId[]): Promise<EntryId[]> {
  const own: EntryId[] = [];
  await forEachLimited(
    ids,
    context.limits,
    () => 0,
    async (id) => {
      const key = keyFor(context, id);
      const head = await context.request(() => context.s3.head(key));
      if (head === null) return;
      const known = context.state.entries.get(id);
      if (head.etag !== known?.etag && mayBeOwn(context, key, known, head)) own.push(id);
    },
  );
  return own;
}

/** Writes the receipt of a run, last of all, and removes those of earlier runs of the workspace. */
export async function writeReceipt(
  context: SyncContext,
  run: Run,
  listed: readonly ListedObject[],
): Promise<Receipt> {
  const { s3, request } = context;
  const receipt: Receipt = {
    version: 1,
    workspaceId: run.workspaceId,
    runId: run.runId,
    at: new Date(context.now()).toISOString(),
    ...context.state.totals(),
    conflicts: context.counters.conflicts,
    ...manifestOf(listed, context.keys.root),
  };
  const key = receiptKey(run.prefix, run.workspaceId, run.runId);
  const body = Buffer.from(JSON.stringify(receipt));
  await request(async () => {
    const present = await s3.head(key);
    const condition = present ? { kind: 'match' as const, etag: present.etag } : { kind: 'absent' as const };
    await s3.put(key, body, {}, condition);
  });
  const older = listed.filter(
    (object) => object.key.startsWith(receiptsOf(run.prefix, run.workspaceId)) && object.key !== key,
  );
  // Left-over receipts of ended runs harm nobody.
  await Promise.all(
    older.map((object) => s3.remove(object.key, { kind: 'match', etag: object.etag }).catch(() => undefined)),
  );
  return receipt;
}
