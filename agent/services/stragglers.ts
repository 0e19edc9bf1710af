import { readdirSync, readFileSync } from 'node:fs';
import { sleep } from '../../shared/clock.js';

/** Processes of a user, by their real user id. */
function processesOf(uid: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        const status = readFileSync(`/proc/${pid}/status`, 'utf8');
        // A zombie has ended already and only waits to be collected.
        return new RegExp(`^Uid:\\t${uid}\\t`, 'm').test(status) && !/^State:\tZ/m.test(status);
      } catch {
        return false;
      }
    });
}

/** Whether this process has a process table to itself: it is the child of the container's init. */
export function ownsProcessTable(ppid = process.ppid): boolean {
  return ppid === 1 && readFileSync('/proc/1/comm', 'utf8').trim() === 'tini';
}

/**
 * Ends what the user's processes started in process groups of their own (terminals, servers in the
 * background), so that nothing writes to the workspace during the final sync. Only to be called where
 * all processes of the user are this workspace's.
 *
 * @param graceMs - between TERM and KILL
 */
export async function endStragglers(uid: number, graceMs: number): Promise<void> {
  const deadline = performance.now() + graceMs;
  signalAll(processesOf(uid), 'SIGTERM');
  // Interactive shells ignore TERM and end on HUP.
  signalAll(processesOf(uid), 'SIGHUP');
  while (processesOf(uid).length > 0) {
    if (performance.now() >= deadline) {
      signalAll(processesOf(uid), 'SIGKILL');
      return;
    }
    await sleep(25);
  }
}

function signalAll(pids: readonly number[], signal: NodeJS.Signals): void {
  for (const pid of pids) {
    try {
      process.kill(pid, signal);
    } catch {
      // Ended meanwhile.
    }
  }
}
