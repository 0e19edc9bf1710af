import { randomBytes } from 'node:crypto';
import type { Metadata } from '../../../shared/s3/s3-port.js';
import { FakeS3 } from '../../fakes/s3.js';

/** ETags look like MD5s and are none, as with SSE-KMS. */
export class KmsS3 extends FakeS3 {
  protected override store(key: string, body: Buffer, metadata: Metadata, etag: string): { etag: string } {
    return super.store(key, body, metadata, randomBytes(16).toString('hex') + etag.slice(32));
  }
}

/** It lists other ETags than it answers with. */
export class OddListS3 extends FakeS3 {
  override async *list(prefix: string, signal?: AbortSignal) {
    for await (const page of super.list(prefix, signal))
      yield page.map((object) => ({ ...object, etag: object.etag.replace(/^./, 'z') }));
  }
}
