import { createHash } from 'node:crypto';
import * as z from 'zod';
import { durationSchema } from './duration.js';
import { ID_PATTERN } from './ids.js';
import { idleSchema, signalsSchema } from './idle.js';

export const GIB = 1024 ** 3;

/** R7.1 and R7.2: nobody gets more; less may be asked for. */
export const MAX_CPUS = 2;
export const MAX_MEMORY_BYTES = 4 * GIB;

/** The rules that all S3 servers agree on: 3–63 of a–z, 0–9, dot and hyphen, no dots in a row, no IP address. */
const bucketName = z
  .string()
  .min(3, 'a bucket name has at least 3 characters')
  .max(63, 'a bucket name has at most 63 characters')
  .regex(
    /^[a-z0-9][a-z0-9.-]*[a-z0-9]$/,
    'a bucket name consists of lower-case letters, digits, dots and hyphens and starts and ends with a letter or digit',
  )
  .regex(/^(?!.*\.\.)/, 'a bucket name has no two dots in a row')
  .regex(/^(?!\d+\.\d+\.\d+\.\d+$)/, 'a bucket name must not look like an IP address')
  .regex(
    /^(?!(xn--|sthree-|amzn-s3-demo-)|.*(-s3alias|--ol-s3|\.mrap|--x-s3|--table-s3)$)/,
    'S3 keeps names of this form for itself',
  );

/** A folder in the bucket: no leading or trailing slash, no `.`/`..` steps, nothing below the reserved `.berth`. */
const prefixName = z
  .string()
  .max(512, 'a prefix has at most 512 characters')
  .regex(
    /^$|^[A-Za-z0-9_.-]+(\/[A-Za-z0-9_.-]+)*$/,
    'a prefix is a path of letters, digits, "_", "." and "-", without a slash at its ends',
  )
  .regex(/^(?!(.*\/)?\.(\.|berth)?(\/|$))/, 'a prefix must not contain the steps ".", ".." or ".berth"');

const labelsSchema = z
  .record(
    z.string().regex(/^[A-Za-z0-9]([A-Za-z0-9._/-]{0,61}[A-Za-z0-9])?$/, 'not a label name'),
    z.string().max(256, 'a label value has at most 256 characters'),
  )
  .refine((labels) => Object.keys(labels).length <= 64, 'at most 64 labels');

/** With this annotation set to "true", the controller leaves the workspace alone. */
export const PAUSED = 'berth/paused';

/** What tools and people write down about a workspace, and the controller's own switches. */
const annotationsSchema = z
  .record(
    z.string().regex(/^[A-Za-z0-9]([A-Za-z0-9._/-]{0,251}[A-Za-z0-9])?$/, 'not an annotation name'),
    // In YAML, quotes around true are easily forgotten.
    z.union([
      z.string().max(4096, 'an annotation has at most 4096 characters'),
      z.boolean().transform(String),
    ]),
  )
  .refine((annotations) => Object.keys(annotations).length <= 64, 'at most 64 annotations')
  .refine(
    ({ [PAUSED]: paused = 'false' }) => paused === 'true' || paused === 'false',
    `${PAUSED} must be "true" or "false"`,
  );

export const resourcesSchema = z.strictObject({
  /** CPU cores, at most 2 (R7.1). */
  cpus: z
    .number()
    .min(0.1, 'must be at least 0.1 cores')
    .max(MAX_CPUS, `must be at most ${MAX_CPUS} cores`)
    .default(MAX_CPUS),
  /** Bytes of memory, at most 4 GiB (R7.2). */
  memoryBytes: z
    .number()
    .int('must be a whole number of bytes')
    .min(128 * 1024 ** 2, 'must be at least 128 MiB (134217728)')
    .max(MAX_MEMORY_BYTES, 'must be at most 4 GiB (4294967296)')
    .default(MAX_MEMORY_BYTES),
});

export const bucketSchema = bucketName;
export const prefixSchema = prefixName;
export const labelMapSchema = labelsSchema;
export const idSchema = z
  .string()
  .regex(
    ID_PATTERN,
    'an id is a DNS label: at most 40 lower-case letters, digits and hyphens, starting with a letter',
  );

/** Whether changes of others in the bucket are brought to a running workspace; `auto`: when another one has them too. */
export const pullSchema = z.enum(['auto', 'always', 'never']).default('auto');

/** Who may open the URL of the user's own app. */
export const webSchema = z.strictObject({ public: z.boolean().default(false) });

export const specSchema = z.strictObject({
  bucket: bucketName,
  prefix: prefixName.default(''),
  state: z.enum(['running', 'stopped']).default('running'),
  image: z.string().min(1).max(256).default('berth/workspace'),
  resources: resourcesSchema.prefault({}),
  pull: pullSchema,
  /** After how long without activity it is stopped, or `off`; the system's default where it is silent. */
  idle: idleSchema.optional(),
  /** What counts as activity. */
  activity: signalsSchema.optional(),
  web: webSchema.optional(),
  /** How long it may run at most, whatever happens in it. */
  maxAge: durationSchema.optional(),
  /** It is not stopped for inactivity before this time. */
  extendedUntil: z.iso.datetime().optional(),
  /** Written with `state: stopped` by whoever stopped it for another reason than a person's wish. */
  stopReason: z.enum(['Inactivity']).optional(),
  /** The last activity that a stop for inactivity knew of: a later one takes the stop back. */
  idleSince: z.iso.datetime().optional(),
});

/** One file `desired/<id>.yaml`: written by the API, by operators' editors and by tools. */
export const desiredSchema = z.strictObject({
  apiVersion: z.literal('berth/v1'),
  kind: z.literal('Workspace'),
  metadata: z.strictObject({
    id: idSchema,
    /** Tells a new workspace from a deleted one of the same name; files written by hand have none. */
    uid: z.string().optional(),
    labels: labelsSchema.default({}),
    annotations: annotationsSchema.optional(),
    createdAt: z.iso.datetime().optional(),
    createdBy: z.string().optional(),
    /** The last wish to start it (again): it lifts a halt, and a container that runs is replaced. */
    startRequestedAt: z.iso.datetime().optional(),
    deletionRequestedAt: z.iso.datetime().optional(),
    /** Links and sessions that were issued until then open it no more. */
    accessRevokedAt: z.iso.datetime().optional(),
    /** With a requested deletion: volumes go even if their files are not known to be in the bucket. */
    discardUnsaved: z.boolean().optional(),
  }),
  spec: specSchema,
});

export type Resources = z.infer<typeof resourcesSchema>;
export type DesiredSpec = z.infer<typeof specSchema>;
export type Desired = z.infer<typeof desiredSchema>;

/**
 * Why a declaration may not be followed because of its image; null when it may. What only asks for an
 * end is obeyed, whatever image it once ran.
 */
export function imageProblem({ metadata, spec }: Desired, allowed: readonly string[]): string | null {
  const wantsToRun = spec.state === 'running' && metadata.deletionRequestedAt === undefined;
  if (!wantsToRun || allowed.includes(spec.image)) return null;
  return `image "${spec.image}" is not allowed; allowed are ${allowed.join(', ')}`;
}

/** Whether an operator wants it left alone. */
export const isPausedDeclaration = ({ metadata }: Desired) => metadata.annotations?.[PAUSED] === 'true';

/** The same declaration, wanted to run: nothing that an earlier end left behind holds any more. */
export function wantedToRun(desired: Desired): Desired {
  const { stopReason: _reason, idleSince: _since, ...spec } = desired.spec;
  return { ...desired, spec: { ...spec, state: 'running' } };
}

/**
 * Names one declaration of what shall run: two records of the same generation ask for the same
 * container. A workspace that ended by itself is halted for its generation (docs/state-machines.md).
 *
 * @returns 16 hex digits
 */
export function generationOf(desired: Desired): string {
  const { bucket, prefix, image, resources, state } = desired.spec;
  const identity = [
    desired.metadata.uid ?? '',
    bucket,
    prefix,
    image,
    resources.cpus,
    resources.memoryBytes,
    state,
    // Added later; a generation of before stays what it was.
    ...(desired.metadata.startRequestedAt === undefined ? [] : [desired.metadata.startRequestedAt]),
  ];
  return createHash('sha256').update(JSON.stringify(identity)).digest('hex').slice(0, 16);
}
