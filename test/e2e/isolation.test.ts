import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { Berth } from '../support/berth.js';
import { execIn } from '../support/swarm.js';

const run = promisify(execFile);
const PORTS = [8080, 6080, 3080];

interface Inspect {
  NetworkSettings: { Networks: Record<string, { IPAddress: string }> };
}

/** Reads what a port answers to an HTTP request; empty when nothing does. A mere connection proves nothing. */
const ASK = (address: string, port: number) =>
  `timeout 3 bash -c 'exec 3<>/dev/tcp/${address}/${port} && printf "GET /healthz HTTP/1.0\\r\\n\\r\\n" >&3 && head -c 12 <&3' 2>/dev/null || true`;

describe('Two workspaces at once', function () {
  this.timeout(240_000);
  const berth = new Berth();
  const ids: string[] = [];
  let containers: string[];
  let addresses: string[][];

  before(async () => {
    const bucketId = `iso-${randomBytes(4).toString('hex')}`;
    const views = await Promise.all([1, 2].map((n) => berth.start({ bucketId, prefix: `p${n}` })));
    ids.push(...views.map((view) => view.containerId));
    containers = await Promise.all(ids.map((id) => berth.containerOf(id)));
    addresses = await Promise.all(
      containers.map(async (container) => {
        const { stdout } = await run('docker', ['inspect', container]);
        const [{ NetworkSettings }] = JSON.parse(stdout) as [Inspect];
        const overlay = Object.values(NetworkSettings.Networks).map((network) => network.IPAddress);
        // The address at the host's bridge is known to the container only.
        const own = await execIn(container, ['bash', '-c', 'hostname -I'], 'root');
        return [...new Set([...overlay, ...own.trim().split(/\s+/)])].filter((address) =>
          address.includes('.'),
        );
      }),
    );
  });
  after(async () => {
    await berth.removeQuietly(ids);
    berth.close();
  });

  it('each reaches its own ports (so the question is a fair one)', async () => {
    for (const [index, container] of containers.entries()) {
      for (const address of addresses[index] ?? []) {
        for (const port of PORTS) {
          const answer = await execIn(container, ['bash', '-c', ASK(address, port)]);
          expect(answer, `${address}:${port} from itself`).to.match(/^HTTP\/1/);
        }
      }
    }
  });

  it('neither reaches a port of the other, by any of its addresses (R9.1, R9.2)', async () => {
    for (const [from, to] of [
      [0, 1],
      [1, 0],
    ] as const) {
      for (const address of addresses[to] ?? []) {
        for (const port of PORTS) {
          const answer = await execIn(containers[from] ?? '', ['bash', '-c', ASK(address, port)], 'root');
          expect(answer, `${address}:${port} from the other`).to.equal('');
        }
      }
    }
  });

  it('neither finds the other by name', async () => {
    for (const [from, to] of [
      [0, 1],
      [1, 0],
    ] as const) {
      const name = `tasks.${berth.stack}-ws-${ids[to] ?? ''}`;
      const own = `tasks.${berth.stack}-ws-${ids[from] ?? ''}`;
      const find = (host: string) => `timeout 5 getent hosts ${host} || true`;
      expect(await execIn(containers[from] ?? '', ['bash', '-c', find(own)])).not.to.equal('');
      expect(await execIn(containers[from] ?? '', ['bash', '-c', find(name)])).to.equal('');
    }
  });

  it('each is on a network of its own, with nobody but the gateway', async () => {
    const networks = await Promise.all(
      ids.map(async (id) => {
        const { stdout } = await run('docker', ['network', 'inspect', `${berth.stack}-ws-${id}`]);
        const [network] = JSON.parse(stdout) as [{ Containers: Record<string, { Name: string }> }];
        return Object.entries(network.Containers)
          .filter(([key]) => !key.startsWith('lb-'))
          .map(([, { Name }]) => Name.split('.')[0]);
      }),
    );
    for (const [index, names] of networks.entries()) {
      expect(names.sort()).to.deep.equal(
        [`${berth.stack}-ws-${ids[index] ?? ''}`, `${berth.stack}_gateway`].sort(),
      );
    }
  });
});
