import type Docker from 'dockerode';
import { isNotFound } from './engine.js';

/** The engine's own words about a task, as far as they matter here. */
interface Task {
  ID: string;
  Status: { State: string; Err?: string; ContainerStatus?: { ContainerID?: string } };
}

/** SIGKILL, as the kernel sends it. */
const KILLED = /\(137\)/;

/** A sweep, and with it every workspace, waits for this; an engine that is well answers in milliseconds. */
const PATIENCE_MS = 1_000;

/** How containers of failed tasks ended, as far as Swarm does not say it. */
export class ContainerEnds {
  /** By id of the task; each is asked for once, since an ended container changes no more. */
  private readonly known = new Map<string, boolean>();

  /** Tasks whose container the engine has not told of yet. Each is waited for once, its answer may come later. */
  private readonly asked = new Set<string>();

  constructor(
    private readonly docker: Docker,
    private readonly patienceMs = PATIENCE_MS,
  ) {}

  /** @returns ids of the tasks that failed with their container out of memory; of this node's only */
  async outOfMemory(tasks: readonly Task[]): Promise<Set<string>> {
    const killed = tasks.filter(({ Status }) => Status.State === 'failed' && KILLED.test(Status.Err ?? ''));
    const present = new Set(killed.map(({ ID }) => ID));
    for (const id of this.known.keys()) if (!present.has(id)) this.known.delete(id);
    await Promise.all(killed.map((task) => this.look(task)));
    return new Set([...this.known].filter(([, outOfMemory]) => outOfMemory).map(([id]) => id));
  }

  private async look({ ID, Status }: Task): Promise<void> {
    const container = Status.ContainerStatus?.ContainerID;
    if (container === undefined || this.known.has(ID) || this.asked.has(ID)) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, this.patienceMs);
      void this.ask(ID, container).finally(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  private async ask(task: string, container: string): Promise<void> {
    this.asked.add(task);
    try {
      this.known.set(task, (await this.docker.getContainer(container).inspect()).State.OOMKilled);
    } catch (error) {
      // Removed already, or on another node: nobody can tell any more. Else the next look asks again.
      if (isNotFound(error)) this.known.set(task, false);
    } finally {
      this.asked.delete(task);
    }
  }
}
