import { BerthError, messageOf } from '../../shared/errors.js';
import type { Place } from '../../shared/s3/session-policy.js';
import { readS3Keys } from '../../shared/s3/settings.js';
import type { SessionKeys } from '../../shared/s3/sts.js';
import { keysFor } from '../../shared/s3/workspace-keys.js';
import { Problem } from '../problem.js';
import type { ApiSettings } from '../settings.js';

/** Makes S3 keys for one workspace; null where there are none but the configured ones. */
export type SessionKeysSource = (workspaceId: string, place: Place) => Promise<SessionKeys | null>;

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
