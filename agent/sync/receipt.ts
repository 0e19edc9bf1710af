import { receiptKey, receiptsOf } from '../../shared/model/bucket-layout.js';
import { manifestOf, type Receipt } from '../../shared/model/receipt.js';
import type { ListedObject } from '../../shared/s3/s3-port.js';
import type { EntryId } from '../../shared/bucket/keys.js';
import { keyFor, type SyncContext } from './context.js';

/** Whose end a receipt confirms. */
export interface Run {
  workspaceId: string;
  runId: string;
  prefix: string;
}

/**
 * Compares what this replica believes to be in the bucket with what the server lists.
 *
 * @returns what is missing there, and the list
 */
export async function compareWithBucket(
  context: SyncContext,
): Promise<{ missing: EntryId[]; listed: ListedObject[] }> {
  const listed = await context.request(async () => {
    const objects: ListedObject[] = [];
    for await (const page of context.s3.list(context.keys.root)) objects.push(...page);
    return objects;
  });
  const keys = new Set(listed.map(({ key }) => key));
  // Another ETag is a later version by somebody who had seen ours.
  const missing = [...context.state.entries.keys()].filter((id) => !keys.has(keyFor(context, id)));
  return { missing, listed };
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
