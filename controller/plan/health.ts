import type { ConditionUpdate } from '../../shared/model/condition.js';
import { FAILURES_TO_UNHEALTHY, type Health, type HealthStatus } from '../../shared/model/health.js';
import type { Observed } from '../../shared/model/observed.js';
import { SERVICES } from '../../shared/model/urls.js';
import type { RouteFindings } from '../ports/prober.js';
import { no, yes } from './conditions.js';
import { judgeTasks } from './tasks.js';
import type { PlanInput, Policy, StopCause } from './types.js';

/** So long has a restarted workspace to be well before it may be restarted again. */
const TRUSTED_AGAIN_MS = 600_000;
/** When nothing could be found out, it is tried again before the next check. */
const ASK_AGAIN_MS = 5_000;

/** Whether a running workspace is to be checked now (R8.1). */
export function healthIsDue(observed: Observed | null, now: Date, policy: Policy): boolean {
  return observed?.startedAt != null && observed.phase === 'running' && dueInMs(observed, now, policy) <= 0;
}

function dueInMs({ health, startedAt }: Observed, now: Date, policy: Policy): number {
  const last = health?.checkedAt ?? startedAt ?? now.toISOString();
  const sinceMs = now.getTime() - Date.parse(last);
  // Where the clock was set back, a check that is still to come would keep all others waiting for it.
  return sinceMs < 0 ? 0 : policy.healthIntervalMs - sinceMs;
}

type HealthRecord = Pick<Observed, 'health' | 'unhealthyRestart'>;

/** The record after this look, and in how many ms the next check is due. */
export function judgeHealth(input: PlanInput, record: Observed): HealthRecord & { wakeInMs: number } {
  const { world, now, policy } = input;
  const { health, unhealthyRestart } = record;
  const due = dueInMs(record, now, policy);
  const first = record.startedAt === null;
  if (!first && due > 0) return { health, unhealthyRestart, wakeInMs: due };
  const findings = first || isReady(input, record) ? world.routes : null;
  // What the gateway could not do says nothing about the workspace.
  if (findings === null || findings.code?.by === 'gateway')
    return { health, unhealthyRestart, wakeInMs: Math.min(ASK_AGAIN_MS, policy.healthIntervalMs) };
  const next = afterCheck(health, findings, now);
  const restart = restartAfter(next, record, now);
  // The next look finds the restart that was decided on, and takes the run down.
  const wakeInMs = restart !== null && restart.runId === record.runId ? 0 : policy.healthIntervalMs;
  return { health: next, unhealthyRestart: restart, wakeInMs };
}

/** Whether its services are due to answer: a container that restores many files takes its time. */
function isReady({ world, report, now, policy }: PlanInput, { runId }: Observed): boolean {
  const verdict = judgeTasks(world.tasks);
  if (verdict.kind !== 'running') return false;
  const { createdAt } = verdict.task;
  const ageMs = now.getTime() - Date.parse(createdAt);
  // What the container before this one said does not count (which nobody can tell where the clock was set
  // back), and one that says nothing is not spared for ever.
  if (report?.runId === runId && (report.receivedAt >= createdAt || ageMs < 0))
    return report.state === 'ready';
  return Math.abs(ageMs) > policy.startDeadlineMs;
}

function afterCheck(last: Health | null, findings: RouteFindings, now: Date): Health {
  const services = {
    vnc: findings.vnc?.message ?? null,
    code: findings.code?.message ?? null,
    web: findings.web?.message ?? null,
  };
  const checkedAt = now.toISOString();
  const passes = services.code === null;
  const failures = passes ? 0 : (last?.failures ?? 0) + 1;
  const silent = SERVICES.filter((service) => services[service] !== null);
  const status = statusOf(failures, silent.length);
  const passingSince = passes ? (last?.passingSince ?? checkedAt) : null;
  const troubles = silent.map((service) => `${service} (${services[service] ?? ''})`).join(', ');
  const message = messageOf(status, failures, troubles);
  return { status, checkedAt, message, services, failures, passingSince };
}

function statusOf(failures: number, silent: number): HealthStatus {
  if (failures >= FAILURES_TO_UNHEALTHY) return 'unhealthy';
  if (failures > 0) return 'failing';
  return silent > 0 ? 'degraded' : 'healthy';
}

function messageOf(status: HealthStatus, failures: number, troubles: string): string {
  if (status === 'healthy') return 'All three services answer.';
  if (status === 'degraded') return `code-server answers; not answering: ${troubles}.`;
  const checks = failures === 1 ? 'The last check' : `The last ${failures} checks`;
  return `${checks} failed: ${troubles}.`;
}

function restartAfter(health: Health, { runId, unhealthyRestart }: Observed, now: Date) {
  if (unhealthyRestart === null)
    return health.status === 'unhealthy' && runId !== null ? { runId, at: now.toISOString() } : null;
  const { passingSince } = health;
  const trusted = passingSince !== null && now.getTime() - Date.parse(passingSince) >= TRUSTED_AGAIN_MS;
  return trusted ? null : unhealthyRestart;
}

/** Why the run that is there has to end so that another one can begin; null when it does not. */
export function restartCause({ observed, world }: PlanInput): StopCause | null {
  if (observed?.unhealthyRestart == null || observed.unhealthyRestart.runId !== world.service?.runId)
    return null;
  const found = observed.health?.message ?? '';
  return { reason: 'Unhealthy', message: `It is restarted because it is unhealthy. ${found}`.trim() };
}

export function healthCondition({ health, unhealthyRestart }: HealthRecord): ConditionUpdate | null {
  if (health === null) return null;
  if (health.status !== 'unhealthy')
    return yes('Healthy', health.status === 'healthy' ? 'Passing' : REASONS[health.status], health.message);
  const next =
    unhealthyRestart === null
      ? ''
      : ` It was restarted once, at ${unhealthyRestart.at}; now a person has to look.`;
  return no('Healthy', 'Unhealthy', `${health.message}${next}`);
}

const REASONS = { degraded: 'Degraded', failing: 'Failing' } as const;
