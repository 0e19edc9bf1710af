import * as z from 'zod';
import {
  booleanSetting,
  commonSettings,
  portSetting,
  readSettings,
  secondsSetting,
  setting,
} from '../shared/config.js';
import { durationSchema } from '../shared/model/duration.js';
import { sessionSettings } from '../shared/s3/workspace-keys.js';
import { s3Settings, readS3Keys } from '../shared/s3/settings.js';
import { readSecret } from '../shared/secrets.js';
import type { S3Settings } from './adapters/docker/agent-env.js';

const cidr = z
  .string()
  .regex(/^(\d{1,3}\.){3}\d{1,3}\/(1\d|2[0-3]|[89])$/, 'an IPv4 range of at most /23, such as 10.201.0.0/16');

const SETTINGS = {
  ...commonSettings,
  ...s3Settings,
  BERTH_STACK: setting(
    z
      .string()
      .regex(/^[a-z][a-z0-9-]{0,14}$/, 'at most 15 lower-case letters, digits and hyphens')
      .default('berth'),
  ),
  BERTH_IMAGE_TAG: setting(z.string().default('latest')),
  BERTH_TLS: setting(z.enum(['local', 'files', 'acme']).default('local')),
  BERTH_ADDRESS_POOL: setting(cidr.default('10.201.0.0/16')),
  BERTH_S3_CREATE_BUCKETS: setting(z.string().optional()),
  BERTH_SYNC_INTERVAL: secondsSetting(15),
  BERTH_START_DEADLINE: secondsSetting(300),
  BERTH_STOP_DEADLINE: secondsSetting(600),
  BERTH_STOP_GRACE: secondsSetting(300),
  BERTH_PARALLEL_STARTS: setting(z.coerce.number().int().min(1).max(1000).default(8)),
  BERTH_ARCHIVE_AFTER: setting(durationSchema.default('24h')),
  BERTH_HEALTH_INTERVAL: secondsSetting(30),
  BERTH_MEMORY_LIMIT_PERCENT: setting(z.coerce.number().min(1).max(100).default(90)),
  ...sessionSettings,
  BERTH_DISK_LIMIT_GIB: setting(z.coerce.number().min(0).default(20)),
  /** Where the host's figures are read; tests show other ones. */
  BERTH_PROC_DIR: setting(z.string().startsWith('/', 'an absolute path').default('/proc')),
  BERTH_RESYNC_INTERVAL: secondsSetting(30),
  BERTH_GATEWAY_ADDRESS: setting(z.string().regex(/:\d+$/, 'host:port').default('gateway:443')),
  BERTH_METRICS_PORT: portSetting(9095),
  BERTH_DISCOVERY_PORT: portSetting(2375),
};

export type ControllerSettings = Awaited<ReturnType<typeof readControllerSettings>>;

/** Settings of the controller from the environment and the secrets of the state folder. */
export async function readControllerSettings(env: NodeJS.ProcessEnv) {
  const settings = readSettings(SETTINGS, env);
  const { BERTH_STATE_DIR: stateDir } = settings;
  const [keys, agentTokenKey] = await Promise.all([
    readS3Keys(stateDir),
    readSecret(stateDir, 'agent-token.key'),
  ]);
  const bundled = settings.BERTH_S3_ENDPOINT === '';
  const createBuckets = readSettings(
    { BERTH_S3_CREATE_BUCKETS: booleanSetting(bundled) },
    { BERTH_S3_CREATE_BUCKETS: settings.BERTH_S3_CREATE_BUCKETS },
  ).BERTH_S3_CREATE_BUCKETS;
  const s3: S3Settings = {
    endpoint: settings.BERTH_S3_ENDPOINT,
    region: settings.BERTH_S3_REGION,
    createBuckets,
  };
  return { ...settings, s3, s3Keys: keys, agentTokenKey: agentTokenKey.trim() };
}
