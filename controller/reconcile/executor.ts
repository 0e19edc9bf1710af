import type { Logger } from '../../shared/logger.js';
import type { Action } from '../plan/types.js';
import type { Cluster } from '../ports/cluster.js';
import { NotYetError } from '../ports/errors.js';
import type { Gateway } from '../ports/gateway.js';

export interface ExecutorDeps {
  cluster: Cluster;
  gateway: Gateway;
  logger: Logger;
  /** Moves the records of the workspace to the archive. */
  archive: () => Promise<void>;
}

/**
 * Does what a plan says; decides nothing. The steps of one plan are independent, so they run side by
 * side, and all are tried even when one fails.
 *
 * @returns false when something was not ready to be changed and has to be asked again
 * @throws the first failure, once all steps have ended
 */
export async function execute(id: string, actions: readonly Action[], deps: ExecutorDeps): Promise<boolean> {
  const results = await Promise.allSettled(actions.map((action) => run(id, action, deps)));
  const failures = results.flatMap((result) =>
    result.status === 'rejected' ? [result.reason as unknown] : [],
  );
  for (const error of failures) if (error instanceof NotYetError) deps.logger.debug('not yet', { id, error });
  const real = failures.filter((error) => !(error instanceof NotYetError));
  if (real.length > 0) throw real[0];
  return failures.length === 0;
}

async function run(id: string, action: Action, deps: ExecutorDeps): Promise<void> {
  const { cluster, gateway, logger } = deps;
  const startedAt = performance.now();
  switch (action.type) {
    case 'createNetwork':
      await cluster.createNetwork({ workspaceId: id });
      break;
    case 'createService':
      await cluster.createService({ workspaceId: id, ...action.request });
      break;
    case 'attachGateway':
      await gateway.attach(action.network, action.containerId);
      break;
    case 'scaleToZero':
      await cluster.scaleToZero(action.serviceId);
      break;
    case 'removeService':
      await cluster.removeService(action.serviceId);
      break;
    case 'removeNetwork':
      if (action.gatewayContainerId !== null)
        await gateway.detach(action.networkId, action.gatewayContainerId);
      await cluster.removeNetwork(action.networkId);
      break;
    case 'removeVolume':
      await cluster.removeVolume(action.name);
      break;
    case 'archive':
      await deps.archive();
      break;
  }
  logger.info('action done', { id, action: action.type, ms: Math.round(performance.now() - startedAt) });
}
