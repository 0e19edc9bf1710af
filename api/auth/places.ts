import * as z from 'zod';
import { bucketSchema, prefixSchema } from '../../shared/model/desired.js';

/** A place in S3: `bucket`, `buck*` or `*` with all that is in them, or `bucket/prefix` with all below it. */
export const placeSchema = z
  .string()
  .refine(
    isPlace,
    'must be a bucket, the beginning of bucket names and "*", or a bucket with a prefix, such as team-a, team-a-* or shared/team-a',
  );

/** @param place - as `placeSchema` has it */
export function isWithin(place: string, bucket: string, prefix: string): boolean {
  const { name, below } = split(place);
  const isBucket = name.endsWith('*') ? bucket.startsWith(name.slice(0, -1)) : bucket === name;
  return isBucket && (below === null || prefix === below || prefix.startsWith(`${below}/`));
}

function isPlace(text: string): boolean {
  const { name, below } = split(text);
  if (below === null && name.endsWith('*')) return /^[a-z0-9.-]*\*$/.test(name);
  const isBelow = below === null || (below !== '' && prefixSchema.safeParse(below).success);
  return isBelow && bucketSchema.safeParse(name).success;
}

/** A bucket's name has no slash. */
function split(place: string): { name: string; below: string | null } {
  const slash = place.indexOf('/');
  return slash < 0
    ? { name: place, below: null }
    : { name: place.slice(0, slash), below: place.slice(slash + 1) };
}
