import type { WorkspaceUrls } from '../../../shared/model/urls.js';
import type { S3Keys } from '../../../shared/s3/settings.js';
import type { SessionKeys } from '../../../shared/s3/sts.js';
import type { ServiceRequest } from '../../ports/cluster.js';

/** Where the gateway listens inside each workspace's network. */
export const GATEWAY_ALIAS = 'berth-gateway';

export interface S3Settings {
  /** Empty: the bundled server, reached through the gateway. */
  endpoint: string;
  region: string;
  createBuckets: boolean;
}

/** The environment of a workspace's agent (R4.1, R9.4). */
export function agentEnv(
  request: ServiceRequest,
  settings: {
    s3: S3Settings;
    syncIntervalSeconds: number;
    stopGraceSeconds: number;
    diskLimitGib: number;
    urls: WorkspaceUrls;
    logLevel: string;
  },
  { token, keys }: { token: string; keys: Record<string, string> },
): Record<string, string> {
  const { s3 } = settings;
  return {
    BERTH_WORKSPACE_ID: request.workspaceId,
    BERTH_RUN_ID: request.runId,
    BERTH_MODE: request.mode,
    BERTH_BUCKET: request.target.bucket,
    BERTH_PREFIX: request.target.prefix,
    BERTH_S3_CREATE_BUCKET: String(s3.createBuckets),
    BERTH_SYNC_INTERVAL: String(settings.syncIntervalSeconds),
    BERTH_STOP_GRACE: String(settings.stopGraceSeconds),
    BERTH_DISK_LIMIT_GIB: String(settings.diskLimitGib),
    BERTH_URLS: JSON.stringify(settings.urls),
    BERTH_LOG_LEVEL: settings.logLevel,
    BERTH_API_URL: `http://${GATEWAY_ALIAS}:7070`,
    BERTH_AGENT_TOKEN: token,
    ...keys,
    AWS_REGION: s3.region,
    AWS_ENDPOINT_URL_S3: s3.endpoint === '' ? `http://${GATEWAY_ALIAS}:9000` : s3.endpoint,
  };
}

/** S3 keys as an agent reads them. */
export function keysEnv(keys: S3Keys | SessionKeys): Record<string, string> {
  const { accessKeyId, secretAccessKey } = keys;
  const session: Record<string, string> =
    'sessionToken' in keys
      ? { AWS_SESSION_TOKEN: keys.sessionToken, BERTH_S3_KEYS_EXPIRE_AT: keys.expiresAt }
      : {};
  return { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey, ...session };
}
