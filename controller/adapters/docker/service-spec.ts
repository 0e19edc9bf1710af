import type { CreateServiceOptions } from 'dockerode';
import { startBytes } from '../../../shared/model/admission.js';
import type { ServiceRequest } from '../../ports/cluster.js';
import { LABELS } from '../../names.js';
import { GATEWAY_ALIAS } from './agent-env.js';
import { gatewayAddress } from './addresses.js';
import { routeLabels } from './routes.js';

const NANO = 1e9;
const MIB = 1024 ** 2;
/** A used IDE had 91 processes; a fork bomb has more. */
const PIDS_LIMIT = 4096;
const SHARED_MEMORY = 256 * MIB;
/** Swarm's own restarts (R3.4), whatever the container ended with; afterwards the workspace is `Crashed`. */
const RESTART_ATTEMPTS = 3;

/** What the agent needs to serve two users, root and `dev`, from one container; its children get none of it. */
const AGENT_CAPABILITIES = ['SETUID', 'SETGID', 'KILL', 'CHOWN', 'FOWNER', 'DAC_OVERRIDE'];

export interface ServiceSpecInput {
  request: ServiceRequest;
  name: string;
  stack: string;
  domain: string;
  /** An image id or digest: a tag would be looked up at its registry before each task. */
  imageReference: string;
  env: Record<string, string>;
  stopGraceSeconds: number;
}

/** The Swarm service of one workspace, as data. */
export function serviceSpec(input: ServiceSpecInput): CreateServiceOptions {
  const { request, name, stack, domain } = input;
  const owner = { [LABELS.stack]: stack, [LABELS.workspace]: request.workspaceId };
  const place = { [LABELS.bucket]: request.target.bucket, [LABELS.prefix]: request.target.prefix };
  const spec = {
    Name: name,
    Labels: {
      ...owner,
      [LABELS.run]: request.runId,
      [LABELS.generation]: request.generation,
      [LABELS.image]: request.image,
      ...place,
      [LABELS.declaration]: request.declaration,
      // A rescue serves nothing.
      ...(request.mode === 'workspace' ? routeLabels(request.workspaceId, domain, request.network.name) : {}),
    },
    TaskTemplate: {
      ContainerSpec: {
        Image: input.imageReference,
        Hostname: request.workspaceId,
        // What is still known of it where its service was removed by another hand.
        Labels: { ...owner, ...place },
        Env: Object.entries(input.env).map(([key, value]) => `${key}=${value}`),
        // Docker's DNS knows no containers that were attached by hand to a task's network.
        Hosts: [`${gatewayAddress(request.network)} ${GATEWAY_ALIAS}`],
        Mounts: [
          volumeMount(request.volumes.workspace, '/workspace', owner),
          volumeMount(request.volumes.home, '/home', owner),
          // Browsers in the desktop need more than the default of 64 MiB.
          { Type: 'tmpfs', Target: '/dev/shm', TmpfsOptions: { SizeBytes: SHARED_MEMORY, Mode: 0o1777 } },
        ],
        StopGracePeriod: input.stopGraceSeconds * NANO,
        // An image's health check would delay the start by an interval and let Swarm kill by itself.
        HealthCheck: { Test: ['NONE'] },
        // The image brings its own init.
        Init: false,
        // A core dump would fill the disk, with whatever the program knew.
        Ulimits: [{ Name: 'core', Soft: 0, Hard: 0 }],
        CapabilityDrop: ['ALL'],
        CapabilityAdd: AGENT_CAPABILITIES.map((capability) => `CAP_${capability}`),
      },
      Resources: {
        Limits: {
          NanoCPUs: Math.round(request.resources.cpus * NANO),
          MemoryBytes: request.resources.memoryBytes,
          Pids: PIDS_LIMIT,
        },
        // Swarm places by reservations, not by limits.
        Reservations: { MemoryBytes: startBytes(request.resources) },
      },
      // A reboot, a restarted engine and `docker stop` have the agent save everything and end with 0: that is no
      // wish to stop either. A rescue that failed is tried again by the controller, with back-off.
      RestartPolicy:
        request.mode === 'workspace'
          ? { Condition: 'any', Delay: 1 * NANO, MaxAttempts: RESTART_ATTEMPTS }
          : { Condition: 'none' },
      Networks: [{ Target: request.network.id }],
      LogDriver: { Name: 'json-file', Options: { 'max-size': '10m', 'max-file': '3' } },
    },
    Mode: { Replicated: { Replicas: 1 } },
    UpdateConfig: { Parallelism: 1, Order: 'stop-first' },
    // IPVS is not everywhere; with one task its address does as well as a virtual one.
    EndpointSpec: { Mode: 'dnsrr' },
  };
  // dockerode's types know neither capabilities nor the limit of processes (API 1.41).
  return spec as unknown as CreateServiceOptions;
}

function volumeMount(name: string, target: string, labels: Record<string, string>) {
  return { Type: 'volume' as const, Source: name, Target: target, VolumeOptions: { Labels: labels } };
}
