import http from 'node:http';
import path from 'node:path';
import { systemClock } from '../shared/clock.js';
import { messageOf } from '../shared/errors.js';
import { createLogger } from '../shared/logger.js';
import { newUid } from '../shared/model/ids.js';
import { jsonCodec } from '../shared/store/codec.js';
import { RecordFile } from '../shared/store/record-file.js';
import { openRecords } from '../shared/store/records.js';
import { Catalogue } from './adapters/discovery/catalogue.js';
import { createDiscoveryServer } from './adapters/discovery/server.js';
import { self } from './adapters/docker/lock-owners.js';
import { readControllerSettings } from './config.js';
import { connect } from './connect.js';
import { Metrics } from './metrics.js';
import { roleOf } from '../shared/s3/workspace-keys.js';
import { Controller } from './runtime/controller.js';
import { ControllerLock, lockSchema } from './runtime/lock.js';

async function main(): Promise<void> {
  const settings = await readControllerSettings(process.env);
  const logger = createLogger('controller', settings.BERTH_LOG_LEVEL);
  if (roleOf(settings) === null)
    logger.warn('every workspace gets the configured S3 keys: with BERTH_S3_ROLE_ARN each would get its own');
  const metrics = new Metrics();
  const catalogue = new Catalogue();
  const ports = await connect(settings, { clock: systemClock, logger }, (raw) => catalogue.publish(raw));
  const controller = new Controller({
    ...ports,
    records: await openRecords(settings.BERTH_STATE_DIR),
    metrics,
    clock: systemClock,
    logger,
    parallelStarts: settings.BERTH_PARALLEL_STARTS,
    resyncMs: settings.BERTH_RESYNC_INTERVAL * 1000,
  });
  const lock = new ControllerLock({
    file: new RecordFile(path.join(settings.BERTH_STATE_DIR, 'controller.lock'), jsonCodec, lockSchema),
    self: { ...self(), id: newUid() },
    owners: ports.owners,
    clock: systemClock,
    onLost: (held) => {
      logger.error('another controller has taken over, this one ends', { host: held.host, pid: held.pid });
      process.exit(1);
    },
    onError: (error) => logger.warn('lock not renewed, will try again', { error: messageOf(error) }),
  });
  await lock.acquire();
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
    ports.prober.close();
    void controller
      .stop()
      .then(() => lock.release())
      .finally(() => process.exit(0));
  };
  process.once('SIGTERM', shutDown);
  process.once('SIGINT', shutDown);
}

/** `/metrics` for Prometheus and `/healthz` for whoever restarts the controller. */
function createMetricsServer(metrics: Metrics): http.Server {
  return http.createServer((request, response) => {
    if (request.url === '/metrics') {
      void metrics.registry.metrics().then(
        (text) => response.writeHead(200, { 'Content-Type': metrics.registry.contentType }).end(text),
        // One series that cannot be told is no reason to end.
        (error: unknown) => response.writeHead(500).end(`${messageOf(error)}\n`),
      );
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
