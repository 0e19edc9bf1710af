import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';

const CHECKOUT = fileURLToPath(new URL('../../', import.meta.url));
const LONGEST_RUN = 20_000;

/** What the scripts may use of this machine: nothing that could change more than files. */
const TOOLS = [
  'awk bash cat chmod cmp curl cut dirname env grep head id install ip ls mkdir mktemp mv openssl readlink realpath rm sed',
  'setpriv setsid sha256sum sleep ss tail tar touch tr xargs',
].flatMap((line) => line.split(' '));
const FOLDERS = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];

export interface Answer {
  status: number | null;
  stdout: string;
  stderr: string;
}

/** Runs a command to its end. It has no terminal, so that nothing can wait for an operator. */
export async function run(command: string[], env: Record<string, string>): Promise<Answer> {
  const [program = '', ...args] = command;
  const child = spawn(program, args, {
    env,
    cwd: '/',
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: LONGEST_RUN,
    killSignal: 'SIGKILL',
  });
  const [stdout, stderr, [status]] = (await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ])) as [string, string, [number | null]];
  return { status, stdout, stderr };
}

/**
 * A machine as the scripts see it: a copy of `manifests/`, a state folder, settings, and a PATH that
 * knows harmless tools and the stand-ins of the test only. The real Docker, apt-get, iptables and
 * df are not on it.
 */
export class Stage {
  private constructor(readonly folder: string) {}

  static async make(): Promise<Stage> {
    const stage = new Stage(await mkdtemp(path.join(tmpdir(), 'berth-host-')));
    await Promise.all(['bin', 'tools', 'logs', 'manifests'].map((name) => mkdir(stage.path(name))));
    await Promise.all(TOOLS.map((tool) => stage.lend(tool)));
    for (const name of ['host', 'guard', 'certs']) {
      await cp(path.join(CHECKOUT, 'manifests', name), stage.path('manifests', name), { recursive: true });
    }
    await chmod(stage.folder, 0o755);
    return stage;
  }

  path(...parts: string[]): string {
    return path.join(this.folder, ...parts);
  }

  get state(): string {
    return this.path('state');
  }

  /** Puts a command of this machine on the stage's PATH. */
  async lend(tool: string): Promise<void> {
    const folder = FOLDERS.find((name) => existsSync(path.join(name, tool)));
    if (folder !== undefined) await symlink(path.join(folder, tool), this.path('tools', tool));
  }

  /** A command that answers as the test wants; each call of it is on record. */
  async standIn(name: string, body: string): Promise<void> {
    const script = `#!/usr/bin/env bash\nprintf '%s\\n' "${name} $*" >>'${this.path('calls')}'\n${body}\n`;
    await writeFile(this.path('bin', name), script, { mode: 0o755 });
  }

  async calls(): Promise<string[]> {
    if (!existsSync(this.path('calls'))) return [];
    return (await readFile(this.path('calls'), 'utf8')).trimEnd().split('\n');
  }

  env(settings: Record<string, string> = {}): Record<string, string> {
    return {
      PATH: `${this.path('bin')}:${this.path('tools')}`,
      HOME: this.folder,
      BERTH_ENV_FILE: '/dev/null',
      BERTH_STATE_DIR: this.state,
      BERTH_LOG_DIR: this.path('logs'),
      ...settings,
    };
  }

  script(name: string, settings: Record<string, string> = {}, ...args: string[]): Promise<Answer> {
    return run(['bash', this.path('manifests', 'host', name), ...args], this.env(settings));
  }

  /** Runs lines of bash that know lib.sh and config.sh, as a script of manifests/host would. */
  lines(code: string, settings: Record<string, string> = {}): Promise<Answer> {
    const begin = `set -euo pipefail; cd '${this.path('manifests/host')}'; source ./lib.sh; source ./config.sh`;
    return run(['bash', '-c', `${begin}\n${code}`], this.env(settings));
  }

  remove(): Promise<void> {
    return rm(this.folder, { recursive: true, force: true });
  }
}

/** A stage of its own for each test of a suite. */
export function stageOfEachTest(): () => Stage {
  let stage: Stage | undefined;
  beforeEach(async () => {
    stage = await Stage.make();
  });
  afterEach(() => stage?.remove());
  return () => stage ?? expect.fail('there is no stage yet');
}

/** The script ended by itself and said in its own words what is wrong and what to do next. */
export function expectFailure(answer: Answer, wrong: string | RegExp, next: string | RegExp): void {
  const told = (label: string) => answer.stderr.match(new RegExp(`^ *${label}: (.*)$`, 'm'))?.[1] ?? '';
  const compare = (found: string, wanted: string | RegExp) =>
    typeof wanted === 'string'
      ? expect(found, answer.stderr).to.contain(wanted)
      : expect(found, answer.stderr).to.match(wanted);
  expect(answer.status, answer.stderr).to.equal(1);
  compare(told('failed'), wrong);
  compare(told('next'), next);
  expect(answer.stderr, 'a mistake of the script').not.to.match(
    /line \d+: .*(unbound|syntax|command not found)/,
  );
}

export function expectSuccess(answer: Answer): void {
  expect(answer.status, answer.stderr).to.equal(0);
}

/** A listener of the test's own, on a port that the kernel chooses. */
export async function listen(address: string): Promise<{ server: Server; port: number }> {
  const server = createServer().listen(0, address);
  await once(server, 'listening');
  return { server, port: (server.address() as AddressInfo).port };
}

export async function close(server: Server): Promise<void> {
  server.close();
  await once(server, 'close');
}

/** The text of a file of the checkout. */
export const fileOfCheckout = (name: string) => readFile(path.join(CHECKOUT, name), 'utf8');
