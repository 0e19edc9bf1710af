import { readdirSync, readFileSync } from 'node:fs';
import { sleep } from '../../shared/clock.js';

/** How long killed processes are waited for: one that waits for a disk ends late. */
const KILLED_MS = 5_000;

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
 * all processes of the user are this workspace's. Resolves when they are gone.
 *
 * @param graceMs - between TERM and KILL
 */
export async function endStragglers(uid: number, graceMs: number): Promise<void> {
  const begun = performance.now();
  signalAll(processesOf(uid), 'SIGTERM');
  // Interactive shells ignore TERM and end on HUP.
  signalAll(processesOf(uid), 'SIGHUP');
  for (let left = processesOf(uid); left.length > 0; left = processesOf(uid)) {
    const passedMs = performance.now() - begun;
    if (passedMs >= graceMs + KILLED_MS) return;
    // Again and again: one that starts others all the time has new ones by now.
    if (passedMs >= graceMs) signalAll(left, 'SIGKILL');
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
