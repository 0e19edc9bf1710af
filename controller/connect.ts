import { signAccess } from '../shared/access-token.js';
import { signAgentToken } from '../shared/agent-token.js';
import type { Clock } from '../shared/clock.js';
import { idleDefaultsOf } from '../shared/config.js';
import { durationMs } from '../shared/model/duration.js';
import { urlsOf, type ServiceName } from '../shared/model/urls.js';
import type { Logger } from '../shared/logger.js';
import { S3Error } from '../shared/s3/s3-error.js';
import { endpointOf } from '../shared/s3/settings.js';
import { keysFor } from '../shared/s3/workspace-keys.js';
import { agentEnv, keysEnv } from './adapters/docker/agent-env.js';
import { connectEngine } from './adapters/docker/engine.js';
import { DockerGateway } from './adapters/docker/gateway.js';
import { LockOwners } from './adapters/docker/lock-owners.js';
import { SwarmCluster } from './adapters/docker/swarm-cluster.js';
import type { RawSweep } from './adapters/docker/sweep.js';
import { HttpsProber } from './adapters/https-prober.js';
import { ProcfsCapacity } from './adapters/procfs-capacity.js';
import { S3WriteConditions } from './adapters/s3-conditions.js';
import { S3Receipts } from './adapters/s3-receipts.js';
import type { ControllerSettings } from './config.js';
import { namesOf } from './names.js';
import { privateAuthority } from './private-authority.js';
import type { Policy } from './plan/types.js';
import type { ServiceRequest } from './ports/cluster.js';

/**
 * Everything outside that the controller works with, as its settings say.
 *
 * @param onSweep - told what each listing of the engine found
 */
export async function connect(
  settings: ControllerSettings,
  { clock, logger }: { clock: Clock; logger: Logger },
  onSweep: (raw: RawSweep) => void = () => undefined,
) {
  const names = namesOf(settings.BERTH_STACK);
  const docker = connectEngine();
  const cluster = new SwarmCluster(docker, {
    names,
    domain: settings.BERTH_DOMAIN,
    addressPool: settings.BERTH_ADDRESS_POOL,
    imageTag: settings.BERTH_IMAGE_TAG,
    stopGraceSeconds: settings.BERTH_STOP_GRACE,
    envOf: (request) => environmentOf(request, settings, logger),
    onSweep,
  });
  const prober = new HttpsProber({
    gateway: settings.BERTH_GATEWAY_ADDRESS,
    domain: settings.BERTH_DOMAIN,
    ca: await privateAuthority(settings),
    tokenFor: (id, service) => probeToken(id, service, settings.agentTokenKey, clock),
  });
  const s3 = { region: settings.BERTH_S3_REGION, endpoint: endpointOf(settings), ...settings.s3Keys };
  return {
    cluster,
    gateway: new DockerGateway(docker),
    owners: new LockOwners(docker),
    prober,
    receipts: new S3Receipts(s3),
    writeConditions: new S3WriteConditions(s3, clock),
    capacity: new ProcfsCapacity(settings.BERTH_STATE_DIR, settings.BERTH_PROC_DIR),
    volumesOf: names.volumes,
    domain: settings.BERTH_DOMAIN,
    httpsPort: settings.BERTH_HTTPS_PORT,
    policy: policyOf(settings),
  };
}

/** It is for one question, and for nobody's life in particular. */
function probeToken(workspaceId: string, service: ServiceName, key: string, clock: Clock): Promise<string> {
  const claims = { keyId: 'controller', workspaceId, service, life: '-' };
  return signAccess('probe', claims, { key, now: clock.now(), seconds: 60 });
}

function policyOf(settings: ControllerSettings): Policy {
  return {
    allowedImages: settings.BERTH_ALLOWED_IMAGES,
    startDeadlineMs: settings.BERTH_START_DEADLINE * 1000,
    stopDeadlineMs: settings.BERTH_STOP_DEADLINE * 1000,
    idle: idleDefaultsOf(settings),
    maxAge: settings.BERTH_MAX_AGE,
    archiveAfterMs: durationMs(settings.BERTH_ARCHIVE_AFTER),
    healthIntervalMs: settings.BERTH_HEALTH_INTERVAL * 1000,
    memoryLimitPercent: settings.BERTH_MEMORY_LIMIT_PERCENT,
  };
}

async function environmentOf(
  request: ServiceRequest,
  settings: ControllerSettings,
  logger: Logger,
): Promise<Record<string, string>> {
  const identity = { id: request.workspaceId, runId: request.runId };
  const token = await signAgentToken(identity, settings.agentTokenKey);
  const urls = urlsOf(request.workspaceId, settings.BERTH_DOMAIN, settings.BERTH_HTTPS_PORT);
  return agentEnv(
    request,
    {
      s3: settings.s3,
      syncIntervalSeconds: settings.BERTH_SYNC_INTERVAL,
      stopGraceSeconds: settings.BERTH_STOP_GRACE,
      diskLimitGib: settings.BERTH_DISK_LIMIT_GIB,
      urls,
      logLevel: settings.BERTH_LOG_LEVEL,
    },
    { token, keys: await s3KeysFor(request, settings, logger) },
  );
}

/** For this workspace alone, where there is a role; an agent that gets none asks the API for them. */
async function s3KeysFor(
  { workspaceId, target }: ServiceRequest,
  settings: ControllerSettings,
  logger: Logger,
): Promise<Record<string, string>> {
  const { s3Keys: keys, s3 } = settings;
  try {
    const session = await keysFor(workspaceId, target, { settings, keys, createsBucket: s3.createBuckets });
    return session === null ? keysEnv(keys) : keysEnv(session);
  } catch (error) {
    if (!(error instanceof S3Error)) throw error;
    logger.warn('no S3 keys for a workspace yet, its agent will ask for them', {
      id: workspaceId,
      error: error.message,
    });
    return {};
  }
}
