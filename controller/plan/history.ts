import type { Condition } from '../../shared/model/condition.js';
import { MAX_EVENTS, type HistoryEvent, type Observed } from '../../shared/model/observed.js';

/** Steps of a start: that they are still to be done is no news. */
const STEPS: ReadonlySet<Condition['type']> = new Set([
  'NetworkReady',
  'ServiceCreated',
  'TaskRunning',
  'GatewayAttached',
  'FilesRestored',
  'RoutesReady',
]);

/** That the files are safe is what everybody waits for; a pause is nothing that happens by itself. */
const GOOD_NEWS: ReadonlySet<Condition['type']> = new Set(['FinalSyncVerified', 'Paused']);

/** The record with what has happened since the last one added to its history. */
export function withHistory(before: Observed | null, after: Observed, now: Date): Observed {
  const known = before?.uid === after.uid ? before : null;
  const news = eventsBetween(known, after).map((event) => ({ at: now.toISOString(), ...event }));
  return news.length === 0 ? after : { ...after, events: [...after.events, ...news].slice(-MAX_EVENTS) };
}

type News = Omit<HistoryEvent, 'at'>;

function eventsBetween(before: Observed | null, after: Observed): News[] {
  const news: News[] = [];
  for (const condition of after.conditions) {
    const last = before?.conditions.find(({ type }) => type === condition.type);
    if (isNews(last, condition)) news.push(ofCondition(condition));
  }
  if (isPausedNow(before) && !isPausedNow(after))
    news.push({ type: 'Normal', reason: 'Resumed', message: 'The controller cares for it again.' });
  const { halt, rescue } = after;
  if (halt !== null && before?.halt?.message !== halt.message)
    news.push({ type: 'Warning', reason: halt.reason, message: halt.message });
  if (rescue !== null && rescue.runId !== null && before?.rescue?.runId !== rescue.runId)
    news.push({ type: 'Normal', reason: 'Rescue', message: `Attempt ${rescue.attempts} to save its files.` });
  if (before?.phase !== after.phase) news.push(ofPhase(after));
  return news;
}

const isPausedNow = (record: Observed | null) =>
  record?.conditions.some(({ type }) => type === 'Paused') ?? false;

function isNews(last: Condition | undefined, { type, status }: Condition): boolean {
  if (last !== undefined) return last.status !== status;
  // Of most conditions only trouble is news at first sight.
  return GOOD_NEWS.has(type) || (status === 'False' && !STEPS.has(type));
}

const ofCondition = ({ status, reason, message }: Condition): News => ({
  type: status === 'False' ? 'Warning' : 'Normal',
  reason,
  message,
});

function ofPhase({ phase, message, shutdownReason }: Observed): News {
  const reason = phase.charAt(0).toUpperCase() + phase.slice(1);
  const why = phase === 'stopping' && shutdownReason !== null ? `${shutdownReason}: ` : '';
  return { type: 'Normal', reason, message: `${why}${message}` };
}
