import { readFile } from 'node:fs/promises';
import http from 'node:http';
import path from 'node:path';
import { signAgentToken } from '../shared/agent-token.js';
import { systemClock } from '../shared/clock.js';
import { idleDefaultsOf } from '../shared/config.js';
import { BerthError, messageOf } from '../shared/errors.js';
import { createLogger } from '../shared/logger.js';
import { urlsOf } from '../shared/model/urls.js';
import { endpointOf } from '../shared/s3/settings.js';
import { openRecords } from '../shared/store/records.js';
import { Catalogue } from './adapters/discovery/catalogue.js';
import { createDiscoveryServer } from './adapters/discovery/server.js';
import { agentEnv } from './adapters/docker/agent-env.js';
import { connectEngine } from './adapters/docker/engine.js';
import { DockerGateway } from './adapters/docker/gateway.js';
import { SwarmCluster } from './adapters/docker/swarm-cluster.js';
import { HttpsProber } from './adapters/https-prober.js';
import { ProcfsCapacity } from './adapters/procfs-capacity.js';
import { S3WriteConditions } from './adapters/s3-conditions.js';
import { S3Receipts } from './adapters/s3-receipts.js';
import { readControllerSettings, type ControllerSettings } from './config.js';
import { Metrics } from './metrics.js';
import { namesOf } from './names.js';
import type { ServiceRequest } from './ports/cluster.js';
import { Controller } from './runtime/controller.js';

async function main(): Promise<void> {
  const settings = await readControllerSettings(process.env);
  const logger = createLogger('controller', settings.BERTH_LOG_LEVEL);
  const metrics = new Metrics();
  const names = namesOf(settings.BERTH_STACK);
  const docker = connectEngine();
  const catalogue = new Catalogue();
  const cluster = new SwarmCluster(docker, {
    names,
    domain: settings.BERTH_DOMAIN,
    addressPool: settings.BERTH_ADDRESS_POOL,
    imageTag: settings.BERTH_IMAGE_TAG,
    stopGraceSeconds: settings.BERTH_STOP_GRACE,
    envOf: (request) => environmentOf(request, settings),
    onSweep: (raw) => catalogue.publish(raw),
  });
  const prober = new HttpsProber({
    gateway: settings.BERTH_GATEWAY_ADDRESS,
    domain: settings.BERTH_DOMAIN,
    ca: await localCa(settings),
  });
  const s3 = { ...settings.s3, endpoint: endpointOf(settings) };
  const controller = new Controller({
    records: await openRecords(settings.BERTH_STATE_DIR),
    cluster,
    gateway: new DockerGateway(docker),
    prober,
    receipts: new S3Receipts(s3),
    writeConditions: new S3WriteConditions(s3, systemClock),
    capacity: new ProcfsCapacity(settings.BERTH_STATE_DIR),
    metrics,
    clock: systemClock,
    logger,
    volumesOf: names.volumes,
    domain: settings.BERTH_DOMAIN,
    httpsPort: settings.BERTH_HTTPS_PORT,
    resyncMs: settings.BERTH_RESYNC_INTERVAL * 1000,
    policy: {
      allowedImages: settings.BERTH_ALLOWED_IMAGES,
      startDeadlineMs: settings.BERTH_START_DEADLINE * 1000,
      stopDeadlineMs: settings.BERTH_STOP_DEADLINE * 1000,
      idle: idleDefaultsOf(settings),
      maxAge: settings.BERTH_MAX_AGE,
    },
  });
  const servers = [
    listen(
      createDiscoveryServer({ catalogue, onPoll: () => metrics.discoveryPolls.inc() }),
      settings.BERTH_DISCOVERY_PORT,
    ),
    listen(createMetricsServer(metrics), settings.BERTH_METRICS_PORT),
  ];
  await controller.start();

  const shutDown = (signal: string) => {
    logger.info('controller stops', { signal });
    for (const server of servers) {
      server.close();
      server.closeAllConnections();
    }
    prober.close();
    void controller.stop().then(() => process.exit(0));
  };
  process.once('SIGTERM', shutDown);
  process.once('SIGINT', shutDown);
}

async function environmentOf(
  request: ServiceRequest,
  settings: ControllerSettings,
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
      urls,
      logLevel: settings.BERTH_LOG_LEVEL,
    },
    token,
  );
}

/** The gateway's certificate is vouched for by this Berth's own authority. */
async function localCa(settings: ControllerSettings): Promise<string> {
  const file = path.join(settings.BERTH_STATE_DIR, 'tls', 'ca.crt');
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw new BerthError('BERTH_CA_MISSING', `${file}: ${messageOf(error)}; \`make up\` makes it`);
  }
}

/** `/metrics` for Prometheus and `/healthz` for whoever restarts the controller. */
function createMetricsServer(metrics: Metrics): http.Server {
  return http.createServer((request, response) => {
    if (request.url === '/metrics') {
      void metrics.registry.metrics().then((text) => {
        response.writeHead(200, { 'Content-Type': metrics.registry.contentType }).end(text);
      });
    } else if (request.url === '/healthz') {
      response.writeHead(200, { 'Content-Type': 'text/plain' }).end('ok\n');
    } else {
      response.writeHead(404, { 'Content-Type': 'text/plain' }).end('not found\n');
    }
  });
}

function listen(server: http.Server, port: number): http.Server {
  return server.listen(port);
}

main().catch((error: unknown) => {
  createLogger('controller').error('controller cannot start', { error: messageOf(error) });
  process.exit(1);
});
