import * as z from 'zod';
import { setting } from '../config.js';
import { durationMs, durationSchema } from '../model/duration.js';
import { sessionPolicy, type Place } from './session-policy.js';
import { endpointOf, type S3Keys } from './settings.js';
import { assumeRole, type SessionKeys } from './sts.js';

const MINUTE_MS = 60_000;

/** How keys for one workspace only are had (documented in `.env.example`). */
export const sessionSettings = {
  /** Role of which workspaces get a part; empty: they get the configured keys. Set for the bundled server. */
  BERTH_S3_ROLE_ARN: setting(z.string().default('')),
  /** The Security Token Service, where it is not AWS's own or the S3 server's. */
  BERTH_S3_STS_ENDPOINT: setting(z.string().default('')),
  /** How long keys hold; agents renew them before. A role has a limit of its own. */
  BERTH_S3_SESSION: setting(
    durationSchema
      .refine(isSessionLength, 'must be from 15m to 12h: no service gives shorter or longer sessions')
      .default('1h'),
  ),
};

export interface WorkspaceKeysSettings {
  BERTH_S3_ENDPOINT: string;
  BERTH_S3_BUNDLED_ENDPOINT: string;
  BERTH_S3_REGION: string;
  BERTH_S3_ROLE_ARN: string;
  BERTH_S3_STS_ENDPOINT: string;
  BERTH_S3_SESSION: string;
}

/** The role that the bundled server is set up with. */
export const BUNDLED_ROLE = 'arn:aws:iam::role/Workspace';

/** null: there is no role, and workspaces get the configured keys. */
export function roleOf(
  settings: Pick<WorkspaceKeysSettings, 'BERTH_S3_ENDPOINT' | 'BERTH_S3_ROLE_ARN'>,
): string | null {
  if (settings.BERTH_S3_ENDPOINT === '') return BUNDLED_ROLE;
  return settings.BERTH_S3_ROLE_ARN === '' ? null : settings.BERTH_S3_ROLE_ARN;
}

/**
 * Keys that reach the place of one workspace and nothing else.
 *
 * @returns null when there is no role
 * @throws S3Error
 */
export async function keysFor(
  workspaceId: string,
  place: Place,
  {
    settings,
    keys,
    createsBucket,
  }: { settings: WorkspaceKeysSettings; keys: S3Keys; createsBucket: boolean },
): Promise<SessionKeys | null> {
  const roleArn = roleOf(settings);
  if (roleArn === null) return null;
  return assumeRole(
    { endpoint: tokenServiceOf(settings), region: settings.BERTH_S3_REGION, keys, roleArn },
    {
      // A name of one letter is too short for a session.
      name: `berth-${workspaceId}`,
      policy: sessionPolicy(place, {
        ...{ createsBucket, tellsMissing: settings.BERTH_S3_ENDPOINT !== '' },
        partition: roleArn.split(':')[1] ?? 'aws',
      }),
      seconds: durationMs(settings.BERTH_S3_SESSION) / 1000,
    },
  );
}

/** undefined: AWS's own. Other servers have theirs at the address of their S3. */
function tokenServiceOf(settings: WorkspaceKeysSettings): string | undefined {
  if (settings.BERTH_S3_STS_ENDPOINT !== '') return settings.BERTH_S3_STS_ENDPOINT;
  const isAws = /\.amazonaws\.com(\.cn)?$/.test(hostOf(settings.BERTH_S3_ENDPOINT));
  return isAws ? undefined : endpointOf(settings);
}

function isSessionLength(duration: string): boolean {
  const length = durationMs(duration);
  return length >= 15 * MINUTE_MS && length <= 12 * 60 * MINUTE_MS;
}

const hostOf = (url: string) => (URL.canParse(url) ? new URL(url).hostname : '');
