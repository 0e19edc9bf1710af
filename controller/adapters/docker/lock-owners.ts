import { existsSync } from 'node:fs';
import os from 'node:os';
import type Docker from 'dockerode';
import type { Owner, Owners } from '../../ports/owners.js';
import { isNotFound } from './engine.js';

/** This process. */
export const self = (): Owner => ({
  host: os.hostname(),
  pid: process.pid,
  container: existsSync('/.dockerenv'),
});

/** Asks the system about processes of the same host, and the engine about containers. */
export class LockOwners implements Owners {
  constructor(private readonly docker: Docker) {}

  async isAlive({ host, pid, container }: Owner): Promise<boolean | 'unknown'> {
    if (host === os.hostname()) return pid !== process.pid && isRunning(pid);
    if (!container) return 'unknown';
    try {
      return (await this.docker.getContainer(host).inspect()).State.Running;
    } catch (error) {
      return isNotFound(error) ? false : 'unknown';
    }
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // Not allowed to send it a signal: it is there.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
