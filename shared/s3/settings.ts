import { parseEnv } from 'node:util';
import * as z from 'zod';
import { setting } from '../config.js';
import { BerthError } from '../errors.js';
import { readSecret } from '../secrets.js';

/** How Berth's own services reach the S3 server (documented in `.env.example`). */
export const s3Settings = {
  BERTH_S3_ENDPOINT: setting(z.string().default('')),
  /** The bundled server, as services of the stack reach it. */
  BERTH_S3_BUNDLED_ENDPOINT: setting(z.string().default('http://s3:8333')),
  BERTH_S3_REGION: setting(z.string().default('us-east-1')),
};

/** URL of the S3 server for services of the stack; workspaces reach the bundled one another way. */
export function endpointOf(settings: {
  BERTH_S3_ENDPOINT: string;
  BERTH_S3_BUNDLED_ENDPOINT: string;
}): string {
  return settings.BERTH_S3_ENDPOINT === '' ? settings.BERTH_S3_BUNDLED_ENDPOINT : settings.BERTH_S3_ENDPOINT;
}

export interface S3Keys {
  accessKeyId: string;
  secretAccessKey: string;
}

/**
 * Reads `secrets/s3.env` of the state folder.
 *
 * @throws BerthError `BERTH_SECRET_MISSING`, `BERTH_CONFIG_INVALID`
 */
export async function readS3Keys(stateDir: string): Promise<S3Keys> {
  const { AWS_ACCESS_KEY_ID: accessKeyId = '', AWS_SECRET_ACCESS_KEY: secretAccessKey = '' } = parseEnv(
    await readSecret(stateDir, 's3.env'),
  );
  if (accessKeyId === '' || secretAccessKey === '') {
    throw new BerthError(
      'BERTH_CONFIG_INVALID',
      'secrets/s3.env lacks AWS_ACCESS_KEY_ID or AWS_SECRET_ACCESS_KEY; add them, or run `make up`',
    );
  }
  return { accessKeyId, secretAccessKey };
}
