import type { Logger } from '../../shared/logger.js';
import { Metrics } from '../../controller/metrics.js';
import { namesOf } from '../../controller/names.js';
import { plan } from '../../controller/plan/plan.js';
import type { RouteFindings } from '../../controller/ports/prober.js';
import { Controller } from '../../controller/runtime/controller.js';
import { POLICY } from '../support/planning.js';
import type { Incarnation } from './incarnation.js';
import { Random } from './random.js';
import { DEADLINE_MS } from './setting.js';
import type { SimArchive } from './store.js';
import { isAlive, type World } from './world.js';

/** Nobody reads them here, and making them takes long. */
const METRICS = new Metrics();

/** The real controller, with all that it reaches. */
export function startController(world: World, incarnation: Incarnation): void {
  const { engine, files, host, setting, mutant } = world;
  const random = new Random(world.seed, `controller ${world.clock.ms}`);
  const { grainMs, resyncMs, idleSweepMs } = setting;
  const decide = mutant?.decide?.(plan) ?? plan;
  const cluster = incarnation.reach(engine, 'engine');
  const controller = new Controller({
    records: {
      desired: incarnation.reach(world.records.desired, 'disk'),
      observed: incarnation.reach(world.records.observed, 'disk'),
      reports: incarnation.reach(world.records.reports, 'disk'),
      archive: incarnation.reach(archiveOf(world), 'disk'),
      audit: incarnation.reach({ prepare: async () => undefined }, 'disk'),
      system: incarnation.reach({ write: async () => undefined }, 'disk'),
    },
    cluster: mutant?.cluster?.(cluster) ?? cluster,
    gateway: cluster,
    prober: incarnation.reach({ probe: async (id: string) => answersOf(world, id) }, 'gateway'),
    receipts: incarnation.reach({ verify: async (question) => files.verify(question) }, 's3'),
    writeConditions: incarnation.reach(
      {
        probe: async () =>
          files.mode === 'down' ? { kind: 'unreachable', message: 'sim: S3 is down' } : setting.conditions,
      },
      's3',
    ),
    capacity: incarnation.reach(host, 'host'),
    metrics: METRICS,
    clock: incarnation.clock,
    logger: loggerOf(world, incarnation),
    volumesOf: namesOf('berth').volumes,
    domain: 'berth.localhost',
    httpsPort: 443,
    resyncMs,
    parallelStarts: setting.parallelStarts,
    intervals: { idleSweepMs, busySweepMs: grainMs, systemMs: 600_000 },
    policy: {
      ...POLICY,
      startDeadlineMs: DEADLINE_MS,
      stopDeadlineMs: DEADLINE_MS,
      healthIntervalMs: setting.healthIntervalMs,
      archiveAfterMs: setting.archiveAfterMs,
    },
    random: random.next,
    newRunId: () => world.nextRun(),
    decide: (input) => {
      const decision = decide(input);
      const { requeueAfterMs: ms } = decision;
      return ms === null || ms === 0 ? decision : { ...decision, requeueAfterMs: Math.max(grainMs, ms) };
    },
  });
  incarnation.leave = () => controller.stop();
  void controller.start();
}

/** The URLs answer when a container serves and the gateway reaches it. */
function answersOf(world: World, id: string): RouteFindings {
  const task = [...world.swarm.tasks.values()].find((item) => item.workspaceId === id && isAlive(item));
  const agents = [...world.agents.values()].filter(({ request }) => request.workspaceId === id);
  const attached = task !== undefined && world.swarm.gateway?.networkIds.has(task.networkId) === true;
  const by = attached ? ('workspace' as const) : ('gateway' as const);
  const serves = agents.some((agent) => agent.serves);
  const answer = attached && serves ? null : { by, message: 'sim: 502' };
  return { vnc: answer, code: answer, web: answer };
}

/** Nothing is ever read from it here; what it takes is gone from the records. */
function archiveOf({ records, note }: World): SimArchive {
  return {
    add: async ({ observed }) => note(`${observed.id} is archived`),
    takeDeclaration: ({ observed }, etag) => records.desired.take(observed.id, etag),
  };
}

/** Failures that a simulated world brings about; any other is a bug. */
const EXPECTED = /^sim: |no such container|ECONNREFUSED/;

function loggerOf(world: World, incarnation: Incarnation): Logger {
  const warn = (message: string, { id, error }: { id?: string; error?: unknown } = {}) => {
    if (!incarnation.alive || typeof error !== 'string') return;
    world.note(`${id ?? 'controller'}: ${message}: ${error}`);
    if (!EXPECTED.test(error)) world.violate('no unexpected failure', `${message}: ${error}`);
  };
  const silent = () => undefined;
  return { debug: silent, info: silent, warn, error: silent } as unknown as Logger;
}
