import type { plan } from '../../controller/plan/plan.js';
import type { Action, PlanInput } from '../../controller/plan/types.js';
import type { Cluster, ClusterView } from '../../controller/ports/cluster.js';
import { generationOf, GIB, wantedToRun } from '../../shared/model/desired.js';

type Rules = typeof plan;

/** The controller with one rule taken out. */
export interface Mutant {
  /** What it does wrong. */
  name: string;
  /** Invariants of which one finds it. */
  foundBy: readonly string[];
  decide?: (rules: Rules) => Rules;
  cluster?: (cluster: Cluster) => Cluster;
}

/** The rules, given something else than what is. */
const seeing =
  (change: (input: PlanInput) => PlanInput) =>
  (rules: Rules): Rules =>
  (input) =>
    rules(change(input));

const inWorld = (change: (world: PlanInput['world']) => Partial<PlanInput['world']>) =>
  seeing((input) => ({ ...input, world: { ...input.world, ...change(input.world) } }));

/** The rules, with something else done than what they say. */
const doing =
  (change: (action: Action) => Action) =>
  (rules: Rules): Rules =>
  (input) => {
    const decision = rules(input);
    return { ...decision, actions: decision.actions.map(change) };
  };

const EMPTY: ClusterView = { services: [], tasks: [], leavers: [], networks: [], volumes: [], gateway: null };

export const MUTANTS: readonly Mutant[] = [
  {
    name: 'takes a receipt for good without reading it back',
    foundBy: ['no file lost'],
    decide: inWorld(() => ({ receipt: { kind: 'verified' } })),
  },
  {
    name: 'restarts an unhealthy workspace again and again',
    foundBy: ['one restart of an unhealthy workspace'],
    decide: seeing((input) => {
      const { observed, world } = input;
      const restart = observed?.unhealthyRestart;
      if (observed == null || restart == null || restart.runId === world.service?.runId) return input;
      return { ...input, observed: { ...observed, unhealthyRestart: null } };
    }),
  },
  {
    name: 'overlooks a halt',
    foundBy: ['a halt holds'],
    decide: seeing((input) => ({ ...input, observed: input.observed && { ...input.observed, halt: null } })),
  },
  {
    name: 'starts whatever memory is left',
    foundBy: ['no start over the memory limit', 'starts fit together'],
    decide: inWorld(() => ({ freeBytes: null })),
  },
  {
    name: 'overlooks others on the same place',
    foundBy: ['no two writers where nothing keeps them apart'],
    decide: inWorld(() => ({ rival: null })),
  },
  {
    name: 'removes a service before its container has ended',
    foundBy: ['a service outlives its container'],
    decide: doing((action) =>
      action.type === 'scaleToZero' ? { type: 'removeService', serviceId: action.serviceId } : action,
    ),
  },
  {
    name: 'does not wait for containers that wind down',
    foundBy: ['a service outlives its container'],
    decide: inWorld(({ service, tasks }) => ({ tasks: service?.replicas === 0 ? [] : tasks })),
  },
  {
    name: 'overlooks containers whose service somebody removed',
    foundBy: ['one container a workspace', 'stopped is stopped'],
    decide: inWorld(() => ({ leavers: [] })),
  },
  {
    name: 'takes an engine that does not answer for an empty one',
    foundBy: ['stopped is stopped', 'legal phases', 'one service a run', 'no unexpected failure'],
    cluster: (cluster) =>
      new Proxy(cluster, {
        get: (target, name) =>
          name === 'observe'
            ? () => target.observe().catch(() => EMPTY)
            : (Reflect.get(target, name) as unknown),
      }),
  },
  {
    name: 'runs what is declared as stopped',
    foundBy: ['rest is as declared', 'no two writers where nothing keeps them apart'],
    decide: seeing(({ declaration, ...input }) => ({
      ...input,
      declaration:
        declaration.kind === 'valid'
          ? { ...declaration, desired: wantedToRun(declaration.desired) }
          : declaration,
    })),
  },
  {
    name: 'stops the idle whatever their newest report says',
    foundBy: ['no idle stop of who works'],
    decide: seeing(({ report, ...input }) => ({ ...input, report: report && { ...report, activity: [] } })),
  },
  {
    name: 'leaves alone what nobody declared',
    foundBy: ['rest is as declared'],
    decide: (rules) => (input) =>
      input.declaration.kind === 'absent' && input.observed === null
        ? { observed: null, actions: [], requeueAfterMs: null }
        : rules(input),
  },
  {
    name: 'keeps a container that was made for an earlier declaration',
    foundBy: ['rest is as declared'],
    decide: (rules) => (input) => {
      const { declaration, world } = input;
      if (world.service === null || declaration.kind !== 'valid') return rules(input);
      const generation = generationOf(declaration.desired);
      return rules({ ...input, world: { ...world, service: { ...world.service, generation } } });
    },
  },
  {
    name: 'gives more than the limits',
    foundBy: ['limits'],
    decide: doing((action) =>
      action.type === 'createService'
        ? { ...action, request: { ...action.request, resources: { cpus: 4, memoryBytes: 8 * GIB } } }
        : action,
    ),
  },
  {
    name: 'does not attach a gateway that was replaced',
    foundBy: ['rest is as declared'],
    decide: (rules) => (input) => {
      const decision = rules(input);
      const late = input.observed?.startedAt != null;
      const actions = decision.actions.filter(({ type }) => !late || type !== 'attachGateway');
      return { ...decision, actions };
    },
  },
];
