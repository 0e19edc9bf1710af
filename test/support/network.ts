import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { execIn } from './swarm.js';

const run = promisify(execFile);

/** What a probe tries to reach, `address:port`. */
export type Target = string;

/** Prints, as JSON, which targets take a connection. All are tried at once. */
const PROBE = `
const targets = JSON.parse(process.argv[1]);
const ask = (target) => new Promise((resolve) => {
  const colon = target.lastIndexOf(':');
  const socket = require('node:net').connect(Number(target.slice(colon + 1)), target.slice(0, colon));
  const end = (open) => { socket.destroy(); resolve(open ? [target] : []); };
  socket.setTimeout(2500, () => end(false));
  socket.once('connect', () => end(true));
  socket.once('error', () => end(false));
});
Promise.all(targets.map(ask)).then((open) => console.log(JSON.stringify(open.flat())));`;

/** Which targets somebody in a container reaches. */
export async function reachedFrom(
  container: string,
  user: string,
  targets: readonly Target[],
): Promise<Target[]> {
  const command = ['/usr/local/bin/node', '-e', PROBE, JSON.stringify(targets)];
  return JSON.parse(await execIn(container, command, user)) as Target[];
}

/** The network of a container, seen by root of the host; `host`: the host's own. */
export class NetworkView {
  private constructor(private readonly enter: readonly string[]) {}

  static readonly host = new NetworkView([]);

  static async of(container: string): Promise<NetworkView> {
    const { stdout } = await run('docker', ['inspect', '--format', '{{.State.Pid}}', container]);
    return new NetworkView(['nsenter', '--net', '--target', stdout.trim()]);
  }

  /** IPv4 addresses, but for loopback. */
  async addresses(): Promise<string[]> {
    const lines = await this.lines('ip', '-4', '-o', 'addr', 'show', 'scope', 'global');
    return lines.flatMap((line) => / inet ([\d.]+)\//.exec(line)?.[1] ?? []);
  }

  /** TCP ports that somebody listens on, but for those on loopback only. */
  async ports(): Promise<number[]> {
    const lines = await this.lines('ss', '-Htln');
    const local = lines.map((line) => line.trim().split(/\s+/)[3] ?? '');
    const open = local.filter((address) => !/^(127\.|\[::1\])/.test(address));
    return [...new Set(open.map((address) => Number(address.slice(address.lastIndexOf(':') + 1))))];
  }

  /** All that listens there, by each of its addresses. */
  async targets(): Promise<Target[]> {
    const [addresses, ports] = await Promise.all([this.addresses(), this.ports()]);
    return addresses.flatMap((address) => ports.map((port) => `${address}:${port}`));
  }

  async reached(targets: readonly Target[]): Promise<Target[]> {
    const [line = '[]'] = await this.lines(process.execPath, '-e', PROBE, JSON.stringify(targets));
    return JSON.parse(line) as Target[];
  }

  private async lines(...command: string[]): Promise<string[]> {
    const [program = '', ...args] = [...this.enter, ...command];
    const { stdout } = await run(program, args);
    return stdout.split('\n').filter((line) => line !== '');
  }
}
