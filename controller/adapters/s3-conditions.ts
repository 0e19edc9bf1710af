import type { Clock } from '../../shared/clock.js';
import { messageOf } from '../../shared/errors.js';
import { rootOf } from '../../shared/model/bucket-layout.js';
import { S3Client } from '../../shared/s3/client.js';
import { missingConditions } from '../../shared/s3/probe.js';
import type { Target } from '../ports/cluster.js';
import type { ConditionsFinding, WriteConditions } from '../ports/write-conditions.js';
import type { S3ReceiptsSettings } from './s3-receipts.js';

/** Servers are updated now and then, for the better or the worse. */
const KEPT_MS = 600_000;

/** Asks the S3 server itself, seldom. */
export class S3WriteConditions implements WriteConditions {
  private readonly found = new Map<string, { finding: ConditionsFinding; atMs: number }>();

  constructor(
    private readonly settings: S3ReceiptsSettings,
    private readonly clock: Clock,
  ) {}

  async probe(target: Target): Promise<ConditionsFinding> {
    const now = this.clock.elapsedMs();
    const last = this.found.get(target.bucket);
    if (last !== undefined && now - last.atMs < KEPT_MS) return last.finding;
    const finding = await this.ask(target);
    if (finding.kind !== 'unreachable') this.found.set(target.bucket, { finding, atMs: now });
    return finding;
  }

  private async ask({ bucket, prefix }: Target): Promise<ConditionsFinding> {
    const s3 = new S3Client({ ...this.settings, bucket });
    try {
      const conditions = await missingConditions(s3, rootOf(prefix));
      return conditions.length === 0 ? { kind: 'kept' } : { kind: 'missing', conditions };
    } catch (error) {
      return { kind: 'unreachable', message: messageOf(error) };
    } finally {
      s3.close();
    }
  }
}
