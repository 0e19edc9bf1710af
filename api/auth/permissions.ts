import * as z from 'zod';
import { bucketSchema, prefixSchema } from '../../shared/model/desired.js';

/** What a key may do, in rising order: look; change workspaces and open them; all there is. */
export const SCOPES = ['read', 'write', 'admin'] as const;
export type Scope = (typeof SCOPES)[number];

export const scopeSchema = z.enum(SCOPES, `must be one of ${SCOPES.join(', ')}`);

/** Where a key may start workspaces: `bucket`, `buck*` or `*` with all that is in them, or `bucket/prefix`. */
export const placePatternSchema = z
  .string()
  .refine(
    isPlacePattern,
    'must be a bucket, the beginning of bucket names and "*", or a bucket with a prefix, such as team-a, team-a-* or shared/team-a',
  );

type Labels = Readonly<Record<string, string>>;

/** Whom a key speaks for. */
export interface KeyOwner {
  id: string;
  scope: Scope;
  /** Only workspaces that have all of these labels are there for it; none: all are. */
  labels: Labels;
  /** Where it may start workspaces; absent: nowhere if it is confined by labels, else everywhere. */
  buckets?: readonly string[];
}

export function allows({ scope }: Pick<KeyOwner, 'scope'>, needed: Scope): boolean {
  return SCOPES.indexOf(scope) >= SCOPES.indexOf(needed);
}

/** Whether a workspace with these labels is there for the key. */
export function sees({ labels }: Pick<KeyOwner, 'labels'>, present: Labels): boolean {
  return Object.entries(labels).every(([name, value]) => present[name] === value);
}

/** A key that is confined to some workspaces has no business with what concerns all. */
export const isConfined = ({ labels }: Pick<KeyOwner, 'labels'>): boolean => Object.keys(labels).length > 0;

/**
 * The labels of a workspace that the key starts: those asked for, and those that let the key see it.
 *
 * @returns null when they contradict each other
 */
export function labelsFor({ labels }: Pick<KeyOwner, 'labels'>, wanted: Labels): Labels | null {
  const merged = { ...labels, ...wanted };
  return sees({ labels }, merged) ? merged : null;
}

/** Whether a key may start a workspace there: its files are read and written by that. */
export function mayUse(key: Pick<KeyOwner, 'labels' | 'buckets'>, bucket: string, prefix: string): boolean {
  const patterns = key.buckets ?? (isConfined(key) ? [] : ['*']);
  return patterns.some((pattern) => {
    const [name = '', ...steps] = pattern.split('/');
    const within = steps.join('/');
    const isBucket = name.endsWith('*') ? bucket.startsWith(name.slice(0, -1)) : bucket === name;
    return isBucket && (within === '' || prefix === within || prefix.startsWith(`${within}/`));
  });
}

function isPlacePattern(pattern: string): boolean {
  const [name = '', ...steps] = pattern.split('/');
  if (steps.length > 0)
    return (
      bucketSchema.safeParse(name).success &&
      prefixSchema.safeParse(steps.join('/')).success &&
      steps[0] !== ''
    );
  return name.endsWith('*') ? /^[a-z0-9.-]*\*$/.test(name) : bucketSchema.safeParse(name).success;
}
