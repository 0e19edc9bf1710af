import * as z from 'zod';
import { BerthError } from '../shared/errors.js';
import { booleanSetting, commonSettings, portSetting, readSettings, setting } from '../shared/config.js';
import { durationSchema } from '../shared/model/duration.js';
import { s3Settings } from '../shared/s3/settings.js';
import { sessionSettings } from '../shared/s3/workspace-keys.js';
import { BCRYPT_HASH, KEY_ID } from './auth/api-key.js';

/** `id:bcrypthash` pairs; an error never repeats the text, for it may hold a key in clear. */
const apiKeysSetting = setting(
  z
    .string()
    .default('')
    .transform((text, context) => {
      const hashes = new Map<string, string>();
      const entries = text.split(',').map((entry) => entry.trim());
      for (const [index, entry] of entries.entries()) {
        if (entry === '') continue;
        const [id = '', hash = '', ...rest] = entry.split(':');
        if (KEY_ID.test(id) && BCRYPT_HASH.test(hash) && rest.length === 0) hashes.set(id, hash);
        else context.addIssue(`entry ${index + 1} is not id:bcrypthash (is each $ of the hash kept?)`);
      }
      return hashes;
    }),
);

const shape = {
  ...commonSettings,
  ...s3Settings,
  ...sessionSettings,
  /** Whether workspaces make the buckets that are missing. */
  BERTH_S3_CREATE_BUCKETS: booleanSetting(false),
  BERTH_API_PORT: portSetting(8080),
  /** Address to listen on; all of them unless set. */
  BERTH_API_HOST: setting(z.string().optional()),
  BERTH_API_KEYS: apiKeysSetting,
  /** Refusals a minute after which a client's address is turned away; 0: no limit. */
  BERTH_AUTH_FAILURES_PER_MINUTE: setting(z.coerce.number().int().min(0).default(20)),
  /** How long an access link holds. */
  BERTH_ACCESS_LINK: setting(durationSchema.default('10m')),
  /** How long a session holds without use; with use it is renewed. */
  BERTH_ACCESS_SESSION: setting(durationSchema.default('12h')),
  BERTH_DEFAULT_IMAGE: setting(z.string().default('berth/workspace')),
};

export type ApiSettings = z.infer<z.ZodObject<typeof shape>>;

/**
 * Reads the API's settings.
 *
 * @throws BerthError `BERTH_CONFIG_INVALID`, naming each variable and what is wrong with it
 */
export function readApiSettings(env: NodeJS.ProcessEnv): ApiSettings {
  const settings = readSettings(shape, env);
  const { BERTH_DEFAULT_IMAGE: image, BERTH_ALLOWED_IMAGES: allowed } = settings;
  if (!allowed.includes(image)) {
    throw new BerthError(
      'BERTH_CONFIG_INVALID',
      `Wrong settings (see .env.example): BERTH_DEFAULT_IMAGE (${image}) is not one of BERTH_ALLOWED_IMAGES (${allowed.join(', ')})`,
    );
  }
  return settings;
}
