import * as z from 'zod';
import {
  bucketSchema,
  idSchema,
  labelMapSchema,
  prefixSchema,
  pullSchema,
  resourcesSchema,
  webSchema,
} from '../../shared/model/desired.js';
import { durationSchema } from '../../shared/model/duration.js';
import { idleSchema, signalsSchema } from '../../shared/model/idle.js';
import { PHASES, type Phase } from '../../shared/model/observed.js';
import { decodeCursor } from '../services/cursor.js';
import type { ApiSettings } from '../settings.js';

/** What the calls and their description depend on. */
export type StartSettings = Pick<
  ApiSettings,
  'BERTH_ALLOWED_IMAGES' | 'BERTH_DEFAULT_IMAGE' | 'BERTH_S3_ENDPOINT'
>;

/**
 * The bundled server does not tell `Team` from `team` when it asks what keys may reach, so that those of
 * one would reach the other.
 */
const smallPrefixSchema = prefixSchema.regex(
  /^[^A-Z]*$/,
  'the bundled S3 server does not keep prefixes apart that differ in capitals only: use small letters',
);

/** The body that starts a workspace. */
export function startSchemaOf(settings: StartSettings) {
  const { BERTH_ALLOWED_IMAGES: allowed, BERTH_DEFAULT_IMAGE: fallback } = settings;
  const isBundled = settings.BERTH_S3_ENDPOINT === '';
  return z.strictObject({
    bucketId: bucketSchema,
    name: idSchema.optional(),
    prefix: (isBundled ? smallPrefixSchema : prefixSchema).optional(),
    image: z.enum(allowed, `must be one of ${allowed.join(', ')}`).default(fallback),
    resources: resourcesSchema.prefault({}),
    pull: pullSchema,
    idle: idleSchema.optional(),
    activity: signalsSchema.optional(),
    maxAge: durationSchema.optional(),
    web: webSchema.optional(),
    labels: labelMapSchema.default({}),
  });
}

export const nothingSchema = z.strictObject({});

/** The query of calls that have no parameters. */
export const noQuerySchema = z.strictObject({});

/** An hour is what people mean by "a bit longer". */
export const extendSchema = z.strictObject({ for: durationSchema.default('1h') });

/** How many seconds a call may wait for its result. */
export const waitSchema = z
  .string()
  .regex(/^([1-9]\d?|[12]\d\d|300)$/, 'must be a whole number of seconds from 1 to 300')
  .transform(Number);

/** The query of calls that can wait. */
export const waitQuerySchema = z.strictObject({ wait: waitSchema.optional() });

export const deleteQuerySchema = waitQuerySchema.extend({
  force: z
    .enum(['true', 'false'], 'must be true or false')
    .prefault('false')
    .transform((text) => text === 'true'),
});

const phase = PHASES.join('|');
const statusSchema = z
  .string()
  .regex(
    new RegExp(`^(all|archived|(${phase})(,(${phase}))*)$`),
    `must be "all", "archived" or a list of ${PHASES.join(', ')}, separated by commas`,
  )
  .transform((text): ReadonlySet<Phase> | 'archived' => {
    if (text === 'archived') return text;
    return new Set(text === 'all' ? PHASES : (text.split(',') as Phase[]));
  });

export const listQuerySchema = z.strictObject({
  // Those that live.
  status: statusSchema.prefault('starting,running,stopping'),
  bucketId: bucketSchema.optional(),
  limit: z
    .string()
    .regex(/^([1-9]\d?|[1-4]\d\d|500)$/, 'must be a whole number from 1 to 500')
    .transform(Number)
    .prefault('100'),
  cursor: z
    .string()
    .transform((text, context) => {
      const id = decodeCursor(text);
      if (id !== null) return id;
      context.addIssue('is not a cursor of this list');
      return z.NEVER;
    })
    .optional(),
});
