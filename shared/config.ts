import * as z from 'zod';
import { BerthError } from './errors.js';
import { durationSchema } from './model/duration.js';
import { idleSchema, signalsSchema, type IdleDefaults } from './model/idle.js';

/** `''` in an env file means "not set". */
const emptyIsUnset = (value: unknown) => (value === '' ? undefined : value);

/** A setting with a default; an empty value counts as not set. */
export const setting = <T extends z.ZodType>(schema: T) => z.preprocess(emptyIsUnset, schema);

export const portSetting = (fallback: number) =>
  setting(z.coerce.number().int().min(1).max(65535).default(fallback));

/** A duration in whole seconds. */
export const secondsSetting = (fallback: number) => setting(z.coerce.number().positive().default(fallback));

/** A comma-separated list. */
export const listSetting = (fallback: string) =>
  setting(
    z
      .string()
      .default(fallback)
      .transform((text) =>
        text
          .split(',')
          .map((item) => item.trim())
          .filter((item) => item !== ''),
      ),
  );

export const booleanSetting = (fallback: boolean) =>
  setting(
    z
      .enum(['true', 'false', '1', '0'])
      .default(fallback ? 'true' : 'false')
      .transform((text) => text === 'true' || text === '1'),
  );

/** Settings that the API and the controller share (documented in `.env.example`). */
export const commonSettings = {
  BERTH_DOMAIN: setting(
    z
      .string()
      .regex(/^[a-z0-9-]+(\.[a-z0-9-]+)+$/, 'a domain of at least two labels, such as berth.localhost')
      .default('berth.localhost'),
  ),
  BERTH_HTTPS_PORT: portSetting(443),
  BERTH_STATE_DIR: setting(z.string().startsWith('/', 'an absolute path').default('/var/lib/berth')),
  BERTH_LOG_LEVEL: setting(z.enum(['error', 'warn', 'info', 'debug']).default('info')),
  /** What holds where a declaration says nothing about its end (docs/idle.md). */
  BERTH_IDLE_TIMEOUT: setting(idleSchema.default('10m')),
  BERTH_ACTIVITY_SIGNALS: listSetting('files').pipe(signalsSchema),
  BERTH_MAX_AGE: setting(durationSchema.optional()),
  BERTH_ALLOWED_IMAGES: listSetting('berth/workspace,berth/testspace'),
};

/** What holds where a declaration is silent about being idle. */
export function idleDefaultsOf(settings: {
  BERTH_IDLE_TIMEOUT: string;
  BERTH_ACTIVITY_SIGNALS: IdleDefaults['signals'];
}): IdleDefaults {
  return { idle: settings.BERTH_IDLE_TIMEOUT, signals: settings.BERTH_ACTIVITY_SIGNALS };
}

/**
 * Reads settings from environment variables.
 *
 * @throws BerthError `BERTH_CONFIG_INVALID`, naming each variable and what is wrong with it
 */
export function readSettings<Shape extends z.ZodRawShape>(
  shape: Shape,
  env: NodeJS.ProcessEnv,
): z.infer<z.ZodObject<Shape>> {
  const result = z.object(shape).safeParse(env);
  if (result.success) return result.data;
  const problems = result.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
  throw new BerthError('BERTH_CONFIG_INVALID', `Wrong settings (see .env.example): ${problems.join('; ')}`);
}
