import { createServer, type Server } from 'node:http';
import path from 'node:path';
import packageJson from '../package.json' with { type: 'json' };
import { systemClock } from '../shared/clock.js';
import { messageOf } from '../shared/errors.js';
import { createLogger, type Logger } from '../shared/logger.js';
import { openRecords } from '../shared/store/records.js';
import { createApp } from './app.js';
import { openAuditFile } from './audit-file.js';
import { agentKeyOf } from './auth/agent-key.js';
import { KeyRing } from './auth/key-ring.js';
import { bucketsOf } from './download/buckets.js';
import { guardFolders } from './folder-guard.js';
import { rememberedKeys, sessionKeysOf } from './services/session-keys.js';
import { readApiSettings } from './settings.js';

/** Longer than the gateway keeps an idle connection (90 s): it must be the one to close it, or requests get lost. */
const KEEP_ALIVE_MS = 120_000;
/** No call has more to say; who says it slowly holds a connection of everybody's. */
const LIMITS = {
  keepAliveTimeout: KEEP_ALIVE_MS,
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  connectionsCheckingInterval: 2_000,
  maxHeaderSize: 16_384,
};
/** How long answers under way may take once the program shall end. */
const GRACE_MS = 8_000;
const SWEEP_MS = 100;

async function main(): Promise<void> {
  const settings = readApiSettings(process.env);
  const stateDir = settings.BERTH_STATE_DIR;
  const logger = createLogger('api', settings.BERTH_LOG_LEVEL);
  const records = await openRecords(stateDir);
  const keys = new KeyRing({
    file: path.join(stateDir, 'keys.yaml'),
    fromEnvironment: settings.BERTH_API_KEYS,
    clock: systemClock,
    logger,
  });
  if ((await keys.size()) === 0)
    logger.warn('there is no API key yet: every call is refused; add one with `make key`');

  const stopping = new AbortController();
  const { version } = packageJson;
  const agentKey = agentKeyOf(stateDir);
  const app = createApp({
    records,
    keys,
    audit: openAuditFile(records.audit.folder, logger),
    agentKey,
    buckets: bucketsOf(settings),
    sessionKeys: rememberedKeys(sessionKeysOf(settings), systemClock),
    clock: systemClock,
    logger,
    settings,
    version,
    stopping: stopping.signal,
  });
  const server = createServer(LIMITS, app);
  await listen(server, settings.BERTH_API_PORT, settings.BERTH_API_HOST);
  const { desired, reports, audit } = records;
  const onLost = (folder: string) => {
    logger.error('a folder of records is gone, the API ends to get the new one', { folder });
    process.exit(1);
  };
  await guardFolders([desired.folder, reports.folder, audit.folder], onLost, stopping.signal);
  logger.info('API listens', { port: settings.BERTH_API_PORT, version });
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => shutDown(server, stopping, logger, signal));
  }
}

function listen(server: Server, port: number, host: string | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port, host }, () => {
      server.removeListener('error', reject);
      resolve();
    });
  });
}

/** Takes no new requests, answers those that wait with what there is, lets the others finish. */
function shutDown(server: Server, stopping: AbortController, logger: Logger, signal: string): void {
  logger.info('API ends', { signal });
  stopping.abort();
  const force = setTimeout(() => server.closeAllConnections(), GRACE_MS);
  // A connection whose last answer is out would be kept alive for the next request.
  const sweep = setInterval(() => server.closeIdleConnections(), SWEEP_MS);
  server.close(() => {
    clearTimeout(force);
    clearInterval(sweep);
  });
}

main().catch((error: unknown) => {
  createLogger('api').error('the API cannot start', { error: messageOf(error) });
  process.exitCode = 1;
});
