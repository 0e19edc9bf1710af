import { readFileSync } from 'node:fs';
import { USER } from '../config.js';

export interface UserEnvironment {
  home: string;
  workspaceId: string;
  /** JSON of the workspace's URLs. */
  urls: string;
  timezone: string | undefined;
}

/**
 * Environment of the user's processes, built from nothing: what the agent was given (S3 keys, its
 * token) must not leak by being forgotten in a list of exceptions.
 */
export function userEnvironment(from: UserEnvironment): Record<string, string> {
  return {
    HOME: from.home,
    USER: USER.name,
    LOGNAME: USER.name,
    SHELL: '/bin/bash',
    LANG: 'C.UTF-8',
    PATH: '/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games',
    DISPLAY: ':1',
    BERTH_WORKSPACE_ID: from.workspaceId,
    BERTH_URLS: from.urls,
    ...(from.timezone === undefined ? {} : { TZ: from.timezone }),
  };
}

const CAP_SETPCAP = 8n;

/** Whether this process may take capabilities out of its bounding set. */
export function canDropBounding(status = readFileSync('/proc/self/status', 'utf8')): boolean {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1];
  return effective !== undefined && ((BigInt(`0x${effective}`) >> CAP_SETPCAP) & 1n) === 1n;
}

/**
 * Command line that runs a command as the user, without any capability and without a way to gain one.
 *
 * @param dropBounding - see `canDropBounding`
 */
export function asUser(command: readonly string[], dropBounding: boolean): string[] {
  return [
    'setpriv',
    `--reuid=${USER.uid}`,
    `--regid=${USER.gid}`,
    '--clear-groups',
    '--no-new-privs',
    '--inh-caps=-all',
    '--ambient-caps=-all',
    ...(dropBounding ? ['--bounding-set=-all'] : []),
    '--',
    ...command,
  ];
}
