import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import type Docker from 'dockerode';
import { goneIsFine } from '../../controller/adapters/docker/engine.js';
import { LABELS } from '../../controller/names.js';

const run = promisify(execFile);

/** A stack name of this test run only: other runs, and a Berth beside it, have their own. */
export const uniqueStack = (prefix: string) => `${prefix}${randomBytes(3).toString('hex')}`;

/** Polls until `check` holds. Timing decides nothing: the deadline only ends a wait that would never end. */
export async function eventually(
  what: string,
  check: () => Promise<boolean>,
  deadlineMs = 60_000,
): Promise<void> {
  const end = performance.now() + deadlineMs;
  for (;;) {
    if (await check()) return;
    if (performance.now() > end) throw new Error(`not within ${deadlineMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** Removes whatever carries a stack's label, also after a failed test. */
export async function removeStack(docker: Docker, stack: string): Promise<void> {
  const filters = { label: [`${LABELS.stack}=${stack}`] };
  const services = (await docker.listServices({ filters })) as unknown as { ID: string }[];
  await Promise.all(services.map(({ ID }) => goneIsFine(docker.getService(ID).remove())));
  const containers = () => docker.listContainers({ all: true, filters });
  await eventually('containers of the test gone', async () => (await containers()).length === 0);
  for (const { Id } of await docker.listNetworks({ filters })) {
    await eventually('network of the test gone', () => succeeds(goneIsFine(docker.getNetwork(Id).remove())));
  }
  for (const { Name } of (await docker.listVolumes({ filters })).Volumes) {
    await eventually('volume of the test gone', () => succeeds(goneIsFine(docker.getVolume(Name).remove())));
  }
}

/** Whether a removal went through. */
export const succeeds = (removal: Promise<unknown>) =>
  removal.then(
    () => true,
    () => false,
  );

/** Runs a command inside the container of a workspace. @returns its standard output */
export async function execIn(containerId: string, command: string[], user = 'dev'): Promise<string> {
  const { stdout } = await run('docker', ['exec', '--user', user, containerId, ...command], {
    encoding: 'utf8',
  });
  return stdout;
}
