import type { TaskState } from '../ports/cluster.js';

/** Swarm's states of a task whose container is on its way or alive; all others are final. */
const ACTIVE: ReadonlySet<string> = new Set([
  'new',
  'allocated',
  'pending',
  'assigned',
  'accepted',
  'preparing',
  'ready',
  'starting',
  'running',
]);

/** What the tasks of one service amount to. */
export type TasksVerdict =
  | { kind: 'none' }
  | { kind: 'waiting'; message: string }
  | { kind: 'running'; task: TaskState }
  /** Swarm has used up its attempts, or the process ended by itself: nothing will run any more. */
  | { kind: 'ended'; message: string; outOfMemory: boolean };

const isActive = (task: Pick<TaskState, 'state'>) => ACTIVE.has(task.state);

/** Tasks that may still hold a live container. */
export function liveTasks<T extends Pick<TaskState, 'state'>>(tasks: readonly T[]): T[] {
  return tasks.filter(isActive);
}

/** Whether a container may have written to the volumes, be it one that has failed while nobody looked. */
export function hasRun(tasks: readonly TaskState[]): boolean {
  return tasks.some(({ state, containerId }) => state === 'running' || containerId !== null);
}

export function judgeTasks(tasks: readonly TaskState[]): TasksVerdict {
  if (tasks.length === 0) return { kind: 'none' };
  const newestFirst = [...tasks].sort((a, b) => b.createdAt.localeCompare(a.createdAt));
  const running = newestFirst.find((task) => task.state === 'running' && task.desiredState === 'running');
  if (running) return { kind: 'running', task: running };
  const lastError = newestFirst.find((task) => task.error !== '')?.error ?? '';
  // A task whose wish is still `running` is either on its way or about to be replaced by Swarm.
  const wanted = newestFirst.find((task) => task.desiredState === 'running' || task.desiredState === 'ready');
  if (wanted) return { kind: 'waiting', message: lastError };
  if (newestFirst.some(isActive)) return { kind: 'waiting', message: lastError };
  const message = lastError || 'the container ended by itself';
  return { kind: 'ended', message, outOfMemory: newestFirst[0]?.outOfMemory ?? false };
}
