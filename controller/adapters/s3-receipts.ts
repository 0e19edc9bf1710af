import type { Readable } from 'node:stream';
import { messageOf } from '../../shared/errors.js';
import { isContent, receiptKey, rootOf } from '../../shared/model/bucket-layout.js';
import { receiptSchema } from '../../shared/model/receipt.js';
import { S3Client } from '../../shared/s3/client.js';
import { S3Error } from '../../shared/s3/s3-error.js';
import type { S3Port } from '../../shared/s3/s3-port.js';
import type { ReceiptFinding, ReceiptQuestion, Receipts } from '../ports/receipts.js';

/** A receipt has some hundred. */
const MAX_RECEIPT_BYTES = 64 * 1024;

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
    const receipt = receiptSchema.safeParse(parse(await shortText(object.body)));
    if (!receipt.success || receipt.data.runId !== runId || receipt.data.manifest !== manifest)
      return { kind: 'wrong', message: 'the bucket has another receipt than the agent reported' };
    // Others may write to the bucket, and change what the receipt says; objects that went are another matter.
    const objects = await countContent(s3, rootOf(target.prefix));
    if (objects < receipt.data.objects) {
      const message = `the bucket has ${objects} objects, the receipt speaks of ${receipt.data.objects}`;
      return { kind: 'wrong', message };
    }
    return { kind: 'verified' };
  } catch (error) {
    if (error instanceof S3Error && error.kind === 'missing')
      return { kind: 'wrong', message: 'the bucket has no receipt of this run' };
    return { kind: 'unreachable', message: messageOf(error) };
  }
}

/** However many there are, and however long their names: none is kept. */
async function countContent(s3: S3Port, root: string): Promise<number> {
  let objects = 0;
  for await (const page of s3.list(root)) objects += page.filter(({ key }) => isContent(root, key)).length;
  return objects;
}

/** Whoever is root in a workspace can put anything where the receipt belongs; what is longer is none. */
async function shortText(body: Readable): Promise<string> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of body as AsyncIterable<Buffer>) {
    bytes += piece.length;
    if (bytes > MAX_RECEIPT_BYTES) {
      body.destroy();
      return '';
    }
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString('utf8');
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return null;
  }
}
