import type { Clock } from '../../shared/clock.js';
import { BerthError, messageOf } from '../../shared/errors.js';
import type { Place } from '../../shared/s3/session-policy.js';
import { readS3Keys } from '../../shared/s3/settings.js';
import type { SessionKeys } from '../../shared/s3/sts.js';
import { keysFor } from '../../shared/s3/workspace-keys.js';
import { Problem } from '../problem.js';
import type { ApiSettings } from '../settings.js';

/** Makes S3 keys for one workspace; null where there are none but the configured ones. */
export type SessionKeysSource = (workspaceId: string, place: Place) => Promise<SessionKeys | null>;

/** An agent that asks all the time is not to use up what the service makes for all. */
const FRESH_MS = 60_000;
/** Beyond this many places the memory of them starts anew. */
const MAX_REMEMBERED = 1000;

/** Who asks again within a minute gets the same keys. */
export function rememberedKeys(source: SessionKeysSource, clock: Clock): SessionKeysSource {
  const made = new Map<string, { at: number; keys: ReturnType<SessionKeysSource> }>();
  return (workspaceId, place) => {
    const name = JSON.stringify([workspaceId, place.bucket, place.prefix]);
    const now = clock.elapsedMs();
    const known = made.get(name);
    if (known !== undefined && now - known.at < FRESH_MS) return known.keys;
    if (made.size >= MAX_REMEMBERED) made.clear();
    const keys = source(workspaceId, place);
    made.set(name, { at: now, keys });
    keys.catch(() => made.delete(name));
    return keys;
  };
}

/** The configured keys are read each time, so that new ones need no restart. */
export function sessionKeysOf(settings: ApiSettings): SessionKeysSource {
  const createsBucket = settings.BERTH_S3_CREATE_BUCKETS;
  return async (workspaceId, place) => {
    try {
      const keys = await readS3Keys(settings.BERTH_STATE_DIR);
      return await keysFor(workspaceId, place, { settings, keys, createsBucket });
    } catch (error) {
      if (!(error instanceof BerthError)) throw error;
      throw new Problem('BERTH_S3_UNAVAILABLE', `No S3 keys for ${workspaceId}: ${messageOf(error)}`, {
        cause: error,
      });
    }
  };
}
