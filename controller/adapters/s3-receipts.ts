import { text } from 'node:stream/consumers';
import { messageOf } from '../../shared/errors.js';
import { receiptKey, rootOf } from '../../shared/model/bucket-layout.js';
import { manifestOf, receiptSchema } from '../../shared/model/receipt.js';
import { S3Client } from '../../shared/s3/client.js';
import { S3Error } from '../../shared/s3/s3-error.js';
import type { ListedObject, S3Port } from '../../shared/s3/s3-port.js';
import type { ReceiptFinding, ReceiptQuestion, Receipts } from '../ports/receipts.js';

export interface S3ReceiptsSettings {
  /** As the controller reaches it, which is not as workspaces do. */
  endpoint: string;
  region: string;
  accessKeyId: string;
  secretAccessKey: string;
}

/** Reads receipts back from their buckets. */
export class S3Receipts implements Receipts {
  constructor(private readonly settings: S3ReceiptsSettings) {}

  async verify(question: ReceiptQuestion): Promise<ReceiptFinding> {
    const s3 = new S3Client({ ...this.settings, bucket: question.target.bucket });
    try {
      return await verifyIn(s3, question);
    } finally {
      s3.close();
    }
  }
}

/** As `Receipts.verify`, in one bucket. */
export async function verifyIn(s3: S3Port, question: ReceiptQuestion): Promise<ReceiptFinding> {
  const { workspaceId, runId, target, manifest } = question;
  try {
    const object = await s3.get(receiptKey(target.prefix, workspaceId, runId));
    const receipt = receiptSchema.safeParse(parse(await text(object.body)));
    if (!receipt.success || receipt.data.runId !== runId || receipt.data.manifest !== manifest)
      return { kind: 'wrong', message: 'the bucket has another receipt than the agent reported' };
    const root = rootOf(target.prefix);
    const listed: ListedObject[] = [];
    for await (const page of s3.list(root)) listed.push(...page);
    const now = manifestOf(listed, root);
    // Others may write to the bucket, and change what the receipt says; objects that went are another matter.
    if (now.manifest !== manifest && now.objects < receipt.data.objects) {
      const message = `the bucket has ${now.objects} objects, the receipt speaks of ${receipt.data.objects}`;
      return { kind: 'wrong', message };
    }
    return { kind: 'verified' };
  } catch (error) {
    if (error instanceof S3Error && error.kind === 'missing')
      return { kind: 'wrong', message: 'the bucket has no receipt of this run' };
    return { kind: 'unreachable', message: messageOf(error) };
  }
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return null;
  }
}
