import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { parseEnv } from 'node:util';
import { z } from 'zod';
import {
  booleanSetting,
  commonSettings,
  portSetting,
  readSettings,
  secondsSetting,
  setting,
} from '../shared/config.js';
import { BerthError, codeOf } from '../shared/errors.js';
import type { S3Settings } from './adapters/docker/agent-env.js';

const cidr = z
  .string()
  .regex(/^(\d{1,3}\.){3}\d{1,3}\/(1\d|2[0-3]|[89])$/, 'an IPv4 range of at most /23, such as 10.201.0.0/16');

const SETTINGS = {
  ...commonSettings,
  BERTH_STACK: setting(
    z
      .string()
      .regex(/^[a-z][a-z0-9-]{0,14}$/, 'at most 15 lower-case letters, digits and hyphens')
      .default('berth'),
  ),
  BERTH_IMAGE_TAG: setting(z.string().default('latest')),
  BERTH_ADDRESS_POOL: setting(cidr.default('10.201.0.0/16')),
  BERTH_S3_ENDPOINT: setting(z.string().default('')),
  /** The bundled server, as services of the stack reach it. */
  BERTH_S3_BUNDLED_ENDPOINT: setting(z.string().default('http://s3:8333')),
  BERTH_S3_REGION: setting(z.string().default('us-east-1')),
  BERTH_S3_CREATE_BUCKETS: setting(z.string().optional()),
  BERTH_SYNC_INTERVAL: secondsSetting(15),
  BERTH_START_DEADLINE: secondsSetting(300),
  BERTH_STOP_DEADLINE: secondsSetting(600),
  BERTH_STOP_GRACE: secondsSetting(300),
  BERTH_RESYNC_INTERVAL: secondsSetting(30),
  BERTH_GATEWAY_ADDRESS: setting(z.string().regex(/:\d+$/, 'host:port').default('gateway:443')),
  BERTH_METRICS_PORT: portSetting(9095),
  BERTH_DISCOVERY_PORT: portSetting(2375),
};

export type ControllerSettings = Awaited<ReturnType<typeof readControllerSettings>>;

/** Settings of the controller from the environment and the secrets of the state folder. */
export async function readControllerSettings(env: NodeJS.ProcessEnv) {
  const settings = readSettings(SETTINGS, env);
  const secret = (name: string) => readSecret(path.join(settings.BERTH_STATE_DIR, 'secrets', name));
  const [s3Env, agentTokenKey] = await Promise.all([secret('s3.env'), secret('agent-token.key')]);
  const bundled = settings.BERTH_S3_ENDPOINT === '';
  const createBuckets = readSettings(
    { BERTH_S3_CREATE_BUCKETS: booleanSetting(bundled) },
    { BERTH_S3_CREATE_BUCKETS: settings.BERTH_S3_CREATE_BUCKETS },
  ).BERTH_S3_CREATE_BUCKETS;
  const credentials = parseEnv(s3Env);
  const s3: S3Settings = {
    endpoint: settings.BERTH_S3_ENDPOINT,
    region: settings.BERTH_S3_REGION,
    createBuckets,
    accessKeyId: credentials['AWS_ACCESS_KEY_ID'] ?? '',
    secretAccessKey: credentials['AWS_SECRET_ACCESS_KEY'] ?? '',
  };
  if (s3.accessKeyId === '' || s3.secretAccessKey === '') {
    throw new BerthError(
      'BERTH_CONFIG_INVALID',
      'secrets/s3.env lacks AWS_ACCESS_KEY_ID or AWS_SECRET_ACCESS_KEY; add them, or run `make up`',
    );
  }
  return { ...settings, s3, agentTokenKey: agentTokenKey.trim() };
}

async function readSecret(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    const why = codeOf(error) ?? 'unreadable';
    throw new BerthError('BERTH_SECRET_MISSING', `${file}: ${why}; \`make up\` makes it`, { cause: error });
  }
}
