import { connectEngine } from '../../controller/adapters/docker/engine.js';
import { DockerGateway } from '../../controller/adapters/docker/gateway.js';
import { SwarmCluster } from '../../controller/adapters/docker/swarm-cluster.js';
import { LABELS, namesOf } from '../../controller/names.js';
import { eventually, removeStack, uniqueStack } from '../support/swarm.js';
import { clusterContract } from './cluster-contract.js';

const IMAGE = 'berth/testspace';
const TAG = process.env['BERTH_IMAGE_TAG'] ?? 'latest';

describe('Cluster contract: a real Swarm', function () {
  this.timeout(120_000);
  const docker = connectEngine();
  const stack = uniqueStack('btc');
  const names = namesOf(stack);
  const cluster = new SwarmCluster(docker, {
    names,
    domain: 'contract.localhost',
    addressPool: process.env['BERTH_TEST_CONTRACT_POOL'] ?? '10.213.0.0/20',
    imageTag: TAG,
    stopGraceSeconds: 5,
    // Without its settings the agent refuses to start, which is what one test needs.
    envOf: async ({ workspaceId }) => (workspaceId === 'crash' ? {} : sleepingAgent(workspaceId)),
    onSweep: () => undefined,
  });

  before(async () => {
    const { Id } = await docker.getImage(`${IMAGE}:${TAG}`).inspect();
    await docker.createService({
      Name: `${stack}_gateway`,
      Labels: { [LABELS.stack]: stack },
      TaskTemplate: {
        ContainerSpec: {
          Image: Id,
          Command: ['/usr/bin/tini', '--', 'sleep', 'infinity'],
          Labels: { [LABELS.stack]: stack },
        },
      },
      EndpointSpec: { Mode: 'dnsrr' },
    } as never);
    await eventually('gateway', async () => (await cluster.observe()).gateway !== null);
  });
  after(() => removeStack(docker, stack));

  clusterContract(() => ({
    cluster,
    gateway: new DockerGateway(docker),
    image: IMAGE,
    eventually,
    addStranger: async (id) => {
      const { Id } = await docker.getImage(`${IMAGE}:${TAG}`).inspect();
      await docker.createService({
        Name: names.service(id),
        Labels: { [LABELS.stack]: stack },
        TaskTemplate: {
          ContainerSpec: { Image: Id, Command: ['sleep', 'infinity'], Labels: { [LABELS.stack]: stack } },
        },
      } as never);
    },
    untilNodeForgets: async (id) => {
      const filters = { label: [`${LABELS.stack}=${stack}`, `${LABELS.workspace}=${id}`] };
      const containers = () => docker.listContainers({ all: true, filters });
      await eventually('no container', async () => (await containers()).length === 0);
      // The engine shows nowhere when it has heard that no task needs the network any more.
      await new Promise((resolve) => setTimeout(resolve, 2_000));
    },
    crashAlways: async () => undefined,
  }));
});

/** An agent whose S3 server never answers: it stays, restoring, until it is asked to stop. */
function sleepingAgent(workspaceId: string): Record<string, string> {
  return {
    BERTH_WORKSPACE_ID: workspaceId,
    BERTH_RUN_ID: 'run-1',
    BERTH_BUCKET: 'bucket',
    BERTH_PREFIX: '',
    BERTH_S3_CREATE_BUCKET: 'false',
    BERTH_SYNC_INTERVAL: '15',
    BERTH_STOP_GRACE: '5',
    BERTH_URLS: '{}',
    BERTH_API_URL: 'http://127.0.0.1:1',
    BERTH_AGENT_TOKEN: 'none',
    AWS_ACCESS_KEY_ID: 'none',
    AWS_SECRET_ACCESS_KEY: 'none',
    AWS_REGION: 'us-east-1',
    AWS_ENDPOINT_URL_S3: 'http://127.0.0.1:1',
  };
}
