import type { Logger } from '../shared/logger.js';
import type { Credentials, CredentialSource } from '../shared/s3/transport.js';
import type { AgentConfig } from './config.js';
import { callApi } from './report/call-api.js';
import { SessionSource } from './session-keys.js';

/** The S3 keys that the container was given, or, where those hold for some time only, a source of others. */
export function keysOf(config: AgentConfig, log: Logger): Credentials | { session: CredentialSource } {
  const {
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
    AWS_SESSION_TOKEN: sessionToken,
    BERTH_S3_KEYS_EXPIRE_AT: expiresAt,
  } = config;
  const given = accessKeyId !== '' && secretAccessKey !== '';
  if (given && expiresAt === undefined) return { accessKeyId, secretAccessKey, sessionToken };
  const isSession = given && sessionToken !== undefined && expiresAt !== undefined;
  const first = isSession ? { accessKeyId, secretAccessKey, sessionToken, expiresAt } : null;
  const url = new URL('/agent/credentials', config.BERTH_API_URL).href;
  const ask = (signal: AbortSignal) => callApi('GET', url, { token: config.BERTH_AGENT_TOKEN, signal });
  return { session: new SessionSource({ first, ask, log }) };
}
