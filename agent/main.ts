import path from 'node:path';
import process from 'node:process';
import { messageOf } from '../shared/errors.js';
import { createLogger } from '../shared/logger.js';
import { Agent } from './agent.js';
import { homeOf, readConfig, USER, type AgentConfig } from './config.js';
import { rescue } from './rescue.js';
import { readServices } from './services/spec.js';
import { keysOf } from './keys.js';
import { S3Client } from '../shared/s3/client.js';
import { forSingleWriter } from '../shared/s3/single-writer.js';
import { SyncEngine } from './sync/engine.js';
import { HomeKeeper } from './sync/home.js';

/** Wrong settings: nothing that a restart could mend. */
const EXIT_CONFIG = 78;
/** Not done; trying again may help. */
const EXIT_AGAIN = 75;

function settings(): AgentConfig {
  try {
    return readConfig(process.env);
  } catch (error) {
    createLogger('agent').error('wrong settings', { error: messageOf(error) });
    process.exit(EXIT_CONFIG);
  }
}

const config = settings();
const log = createLogger('agent', config.BERTH_LOG_LEVEL).child({
  workspace: config.BERTH_WORKSPACE_ID,
  run: config.BERTH_RUN_ID,
});
// Folders must be what their mode says, whoever started the container.
process.umask(0o022);

// Registered before anything that takes time: a stop during the start must not be missed.
let agent: Agent | null = null;
let termBeforeAgent = false;
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.on(signal, () => {
    log.info('asked to stop', { signal });
    if (agent) agent.term();
    // A rescue is stopped because a start follows, which does the same.
    else if (config.BERTH_MODE === 'rescue') process.exit(EXIT_AGAIN);
    else termBeforeAgent = true;
  });
}

const owner = process.getuid?.() === 0 ? { uid: USER.uid, gid: USER.gid } : null;
const client = new S3Client({
  bucket: config.BERTH_BUCKET,
  region: config.AWS_REGION,
  endpoint: config.AWS_ENDPOINT_URL_S3,
  ...keysOf(config, log),
});
const s3 = forSingleWriter(client, () =>
  log.warn(
    'the S3 server refuses conditional writes: each is looked up before, and no other may write there',
  ),
);
try {
  const services = await readServices(config.BERTH_SERVICES_FILE);
  const stateDir = path.join(config.BERTH_STATE_HOME, '.berth');
  const engine = await SyncEngine.open(
    {
      workspaceDir: config.BERTH_WORKSPACE_DIR,
      stateDir,
      prefix: config.BERTH_PREFIX,
      owner,
      createBucket: config.BERTH_S3_CREATE_BUCKET,
      run: {
        workspaceId: config.BERTH_WORKSPACE_ID,
        runId: config.BERTH_RUN_ID,
        prefix: config.BERTH_PREFIX,
      },
    },
    s3,
    log,
  );
  const home = await HomeKeeper.open(
    { home: homeOf(config), stateDir: path.join(stateDir, 'home'), prefix: config.BERTH_PREFIX, owner },
    s3,
    log,
  );
  // Let the log out first; streams to a pipe are written in the background.
  const exit = (code: number) => setTimeout(() => process.exit(code), 20);
  if (config.BERTH_MODE === 'rescue') {
    exit(await rescue({ config, engine, home, log }));
  } else {
    agent = new Agent({ config, services, engine, home, owner, log, exit });
    agent.begin();
    if (termBeforeAgent) agent.term();
  }
} catch (error) {
  log.error('the agent could not start', { error: messageOf(error) });
  setTimeout(() => process.exit(EXIT_CONFIG), 20);
}
