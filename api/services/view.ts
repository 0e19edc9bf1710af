import { createHash } from 'node:crypto';
import { idleDefaultsOf } from '../../shared/config.js';
import { InvalidRecordError } from '../../shared/errors.js';
import type { Condition } from '../../shared/model/condition.js';
import { generationOf, imageProblem, isPausedDeclaration, type Desired } from '../../shared/model/desired.js';
import { idleDeadline, idleRulesOf } from '../../shared/model/idle.js';
import type { Observed, Phase } from '../../shared/model/observed.js';
import type { AgentReport } from '../../shared/model/report.js';
import { urlsOf } from '../../shared/model/urls.js';
import type { HealthView, WorkspaceView } from '../../shared/model/view.js';
import type { ApiSettings } from '../settings.js';
import type { Declaration, Facts } from './facts.js';

export type ViewSettings = Pick<
  ApiSettings,
  | 'BERTH_DOMAIN'
  | 'BERTH_HTTPS_PORT'
  | 'BERTH_ALLOWED_IMAGES'
  | 'BERTH_IDLE_TIMEOUT'
  | 'BERTH_ACTIVITY_SIGNALS'
>;

/** What the API says while the controller has not answered to the declaration yet. */
const AWAITED: Record<Phase, string> = {
  starting: 'It is declared; the controller has not taken it up yet.',
  running: 'It runs.',
  stopping: 'Its end is declared; the controller has not finished it yet.',
  stopped: 'It does not run.',
};

/**
 * The view of a workspace: a pure function of what is on record.
 *
 * @returns null when nothing is on record
 */
export function viewOf(facts: Facts, settings: ViewSettings): WorkspaceView | null {
  if (facts.desired.kind === 'absent' && facts.observed === null) return null;
  const declaration = judged(facts.desired, settings.BERTH_ALLOWED_IMAGES);
  const desired = declaration.kind === 'valid' ? declaration.value : null;
  const seen = ownObserved({ desired: declaration, observed: facts.observed });
  const status = statusOf(desired, seen);
  // What is on record about an earlier declaration says nothing about the one that starts now.
  const unanswered = desired !== null && status === 'starting' && !answers(seen, desired);
  const life = unanswered && !isPausedDeclaration(desired) ? null : seen;
  const report = life !== null && facts.report?.runId === life.runId ? facts.report : null;
  // A broken declaration changes nothing: what it said last stays in force.
  const inForce = desired ?? seen?.declared ?? null;
  return {
    containerId: facts.id,
    bucketId: inForce?.spec.bucket ?? null,
    prefix: inForce?.spec.prefix ?? null,
    status,
    urls: urlsOf(facts.id, settings.BERTH_DOMAIN, settings.BERTH_HTTPS_PORT),
    accessUrls: null,
    image: inForce?.spec.image ?? null,
    createdAt: inForce?.metadata.createdAt ?? seen?.createdAt ?? null,
    startedAt: life?.startedAt ?? null,
    stoppedAt: life?.stoppedAt ?? null,
    shutdownReason: life?.shutdownReason ?? null,
    archivedAt: facts.desired.kind === 'absent' ? (facts.archivedAt ?? null) : null,
    message: messageOf(declaration, life, status),
    lastActivityAt: report?.lastActivityAt ?? null,
    activity: report?.activity ?? [],
    idleDeadline: status === 'running' ? deadlineOf(inForce, life, report, settings) : null,
    health: healthOf(status, life),
    lastSyncAt: report?.sync.lastSyncAt ?? null,
    sync: report === null ? null : syncOf(report.sync),
    disk: report?.disk ?? null,
    finalSync: life?.finalSync ?? report?.finalSync ?? null,
    conditions: conditionsOf(declaration, life),
    labels: inForce?.metadata.labels ?? {},
    resources: inForce?.spec.resources ?? null,
    links: { self: selfOf(facts.id) },
  };
}

function healthOf(status: Phase, life: Observed | null): HealthView {
  if (status === 'running' && life !== null && life.health !== null) {
    const { passingSince: _own, ...shown } = life.health;
    return shown;
  }
  const why = status === 'running' ? 'It was not checked yet.' : 'Only running workspaces are checked.';
  const services = { vnc: null, code: null, web: null };
  return { status: 'unknown', checkedAt: null, message: why, services, failures: 0 };
}

function deadlineOf(
  desired: Desired | null,
  life: Observed | null,
  report: AgentReport | null,
  settings: ViewSettings,
): string | null {
  if (desired === null || life === null) return null;
  const rules = idleRulesOf(desired.spec, life.startedAt, idleDefaultsOf(settings));
  const deadline = idleDeadline(rules, report?.activity ?? []);
  return deadline === null ? null : new Date(deadline).toISOString();
}

/**
 * Where the files of a workspace are: what it declares while it lives, and once it is stopped, where its
 * last run left them.
 *
 * @returns null when nobody can say
 */
export function targetOf(facts: Facts, settings: ViewSettings): { bucket: string; prefix: string } | null {
  const view = viewOf(facts, settings);
  if (view === null) return null;
  const seen = ownObserved(facts);
  if (view.status === 'stopped' && seen !== null && seen.runTarget !== null) return seen.runTarget;
  return view.bucketId === null ? null : { bucket: view.bucketId, prefix: view.prefix ?? '' };
}

function syncOf({ lastSyncAt: _shownApart, ...sync }: AgentReport['sync']): WorkspaceView['sync'] {
  return sync;
}

/** Path of a workspace. */
export function selfOf(id: string): string {
  return `/api/containers/${id}`;
}

/**
 * ETag of a view. Its first half is the declaration's own, so that a change can be made conditional on
 * the declaration alone; the second half moves with everything that is shown.
 */
export function etagOfView(facts: Facts, view: WorkspaceView): string {
  const declared = facts.desired.kind === 'valid' ? facts.desired.etag : 'none';
  const shown = createHash('sha256').update(JSON.stringify(view)).digest('hex').slice(0, 16);
  return `"${declared}-${shown}"`;
}

/** The controller refuses an image that is not allowed as it refuses a broken file. */
function judged(desired: Declaration, allowedImages: readonly string[]): Declaration {
  if (desired.kind !== 'valid') return desired;
  const reason = imageProblem(desired.value, allowedImages);
  if (reason === null) return desired;
  const problem = new InvalidRecordError(`${desired.value.metadata.id}.yaml`, reason);
  return { kind: 'invalid', reason: 'ImageNotAllowed', problem, since: desired.since };
}

/** The observed record, unless it belongs to an earlier workspace of the same name. */
export function ownObserved({ desired, observed }: Pick<Facts, 'desired' | 'observed'>): Observed | null {
  if (desired.kind !== 'valid' || observed === null) return observed;
  return observed.uid === (desired.value.metadata.uid ?? '') ? observed : null;
}

/** Whether the controller has answered to this declaration. */
function answers(seen: Observed | null, desired: Desired): boolean {
  return seen?.observedGeneration === generationOf(desired);
}

function statusOf(desired: Desired | null, seen: Observed | null): Phase {
  if (desired === null) return seen?.phase ?? 'stopped';
  // Nothing is done about a paused one: it stays what it was.
  if (isPausedDeclaration(desired) && seen !== null) return seen.phase;
  const deleted = desired.metadata.deletionRequestedAt !== undefined;
  if (!deleted && desired.spec.state === 'running') {
    return seen !== null && answers(seen, desired) ? seen.phase : 'starting';
  }
  if (seen === null) return deleted ? 'stopping' : 'stopped';
  return seen.phase === 'stopped' ? 'stopped' : 'stopping';
}

function messageOf(declaration: Declaration, life: Observed | null, status: Phase): string {
  if (life !== null && life.phase === status) return life.message;
  if (declaration.kind === 'invalid') return `Its declaration is invalid: ${declaration.problem.message}`;
  return AWAITED[status];
}

/** The API sees a broken declaration before the controller does (or without it). */
function conditionsOf(declaration: Declaration, life: Observed | null): Condition[] {
  const conditions = life?.conditions ?? [];
  if (declaration.kind !== 'invalid') return conditions;
  const known = conditions.find(({ type, status }) => type === 'SpecValid' && status === 'False');
  const specValid: Condition = {
    type: 'SpecValid',
    status: 'False',
    reason: declaration.reason ?? 'Malformed',
    message: declaration.problem.message,
    lastTransitionTime: known?.lastTransitionTime ?? declaration.since,
  };
  return [specValid, ...conditions.filter(({ type }) => type !== 'SpecValid')];
}
