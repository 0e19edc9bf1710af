import { S3Client } from '../../shared/s3/client.js';
import type { S3Port } from '../../shared/s3/s3-port.js';
import { endpointOf, readS3Keys } from '../../shared/s3/settings.js';
import type { ApiSettings } from '../settings.js';

/** A bucket with connections of its own. */
export interface OpenBucket {
  s3: S3Port;
  /** Closes the connections. */
  close(): void;
}

/**
 * Opens a bucket; makes no request.
 *
 * @throws BerthError when the S3 keys are missing
 */
export type Buckets = (bucket: string) => Promise<OpenBucket>;

type S3Settings = Pick<
  ApiSettings,
  'BERTH_STATE_DIR' | 'BERTH_S3_ENDPOINT' | 'BERTH_S3_BUNDLED_ENDPOINT' | 'BERTH_S3_REGION'
>;

/** Buckets on the S3 server of the settings. The keys are read each time, so that new ones need no restart. */
export function bucketsOf(settings: S3Settings): Buckets {
  const server = { endpoint: endpointOf(settings), region: settings.BERTH_S3_REGION };
  return async (bucket) => {
    const s3 = new S3Client({ ...server, ...(await readS3Keys(settings.BERTH_STATE_DIR)), bucket });
    return { s3, close: () => s3.close() };
  };
}
