import path from 'node:path';
import { fileURLToPath } from 'node:url';
import * as z from 'zod';
import { booleanSetting, portSetting, readSettings, secondsSetting, setting } from '../shared/config.js';

const here = path.dirname(fileURLToPath(import.meta.url));
const folder = (fallback: string) =>
  setting(z.string().startsWith('/', 'an absolute path').default(fallback));

/** Settings of the agent; the controller sets those without a default on the workspace's service. */
const agentSettings = {
  BERTH_WORKSPACE_ID: z.string().min(1),
  BERTH_RUN_ID: z.string().min(1),
  /** `rescue`: saves what an ended run left on the volumes, and ends. */
  BERTH_MODE: setting(z.enum(['workspace', 'rescue']).default('workspace')),
  BERTH_BUCKET: z.string().min(1),
  BERTH_PREFIX: setting(z.string().default('')),
  BERTH_S3_CREATE_BUCKET: booleanSetting(false),
  AWS_ACCESS_KEY_ID: setting(z.string().default('')),
  AWS_SECRET_ACCESS_KEY: setting(z.string().default('')),
  AWS_SESSION_TOKEN: setting(z.string().optional()),
  /** Until when these hold; missing: for ever. Then, or when there are none, the API has others. */
  BERTH_S3_KEYS_EXPIRE_AT: setting(z.iso.datetime().optional()),
  AWS_REGION: setting(z.string().default('us-east-1')),
  AWS_ENDPOINT_URL_S3: setting(z.url().optional()),
  BERTH_API_URL: z.url(),
  BERTH_AGENT_TOKEN: z.string().min(1),
  BERTH_SYNC_INTERVAL: secondsSetting(15),
  BERTH_STOP_GRACE: secondsSetting(300),
  /** What its files may take on the disk until somebody is warned; 0: no limit. */
  BERTH_DISK_LIMIT_GIB: setting(z.coerce.number().min(0).default(0)),
  BERTH_WEB_PORT: portSetting(3000),
  BERTH_URLS: setting(z.string().default('{}')),
  BERTH_LOG_LEVEL: setting(z.enum(['error', 'warn', 'info', 'debug']).default('info')),
  // Where things are in the image; tests have them elsewhere.
  BERTH_WORKSPACE_DIR: folder('/workspace'),
  /** Holds `dev/`, the user's home, and `.berth/`, the agent's state. */
  BERTH_STATE_HOME: folder('/home'),
  BERTH_SERVICES_FILE: folder('/etc/berth/services.json'),
  BERTH_SKELETON_DIR: folder('/opt/berth/skeleton'),
  BERTH_NOVNC_DIR: folder(path.join(here, 'novnc')),
  BERTH_DESKTOP_LISTEN: portSetting(6080),
  BERTH_WEB_LISTEN: portSetting(3080),
};

export type AgentConfig = ReturnType<typeof readConfig>;

/**
 * Reads the agent's settings.
 *
 * @throws BerthError naming each variable that is missing or wrong
 */
export function readConfig(env: NodeJS.ProcessEnv) {
  return readSettings(agentSettings, env);
}

/** The user's home. */
export function homeOf(config: AgentConfig): string {
  return path.join(config.BERTH_STATE_HOME, USER.name);
}

/** The user that everything but the agent runs as. */
export const USER = { uid: 1000, gid: 1000, name: 'dev' } as const;
