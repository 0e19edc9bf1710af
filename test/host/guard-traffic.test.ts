import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { expectSuccess, run } from './support.js';

const GUARD = fileURLToPath(new URL('../../manifests/guard/guard.sh', import.meta.url));
const PUBLIC = '203.0.113.5';
const NAMESERVER = '10.9.8.7';
const PRIVATE = [
  '10.1.2.3',
  '100.64.0.9',
  '169.254.1.9',
  '172.31.0.9',
  '192.0.0.9',
  '192.168.7.7',
  '198.19.0.9',
];
const BRIDGES = ['docker_gwbridge', 'br-0123456789ab', 'docker0', 'br-lan'];
const GATEWAY = '198.51.100.1';
const SERVE = `let n = 2;
for (const port of [53, 443])
  require('node:net').createServer((s) => s.end()).listen(port, '0.0.0.0', () => --n || console.log('ready'));`;

/**
 * Packets through the rules: a host, behind each of its bridges one sender, before it a network with
 * public and private addresses; each is a network namespace of the test's own.
 */
describe('What the guard lets through', function () {
  this.timeout(60_000);
  const host = `btt${randomBytes(3).toString('hex')}`;
  const net = `${host}n`;
  const behind = (bridge: string) => `${host}${BRIDGES.indexOf(bridge)}`;
  const env = { PATH: process.env['PATH'] ?? '' };
  const servers: ChildProcess[] = [];
  let folder: string;

  const ip = async (words: string) => expectSuccess(await run(['ip', ...words.split(' ')], env));
  const guard = (verb: string) =>
    run(['ip', 'netns', 'exec', host, 'bash', GUARD, verb], {
      ...env,
      BERTH_GUARD_RESOLVER: path.join(folder, 'resolv.conf'),
    });

  async function serve(space: string): Promise<void> {
    const args = ['netns', 'exec', space, process.execPath, '-e', SERVE];
    const server = spawn('ip', args, { env, stdio: ['ignore', 'pipe', 'inherit'] });
    servers.push(server);
    await once(server.stdout, 'data');
  }

  /** Which of the targets (address:port) answer somebody behind the bridge. All at once: a refusal takes a second. */
  async function reached(bridge: string, targets: string[]): Promise<string[]> {
    const tries = `for target; do
      timeout 2 bash -c ": </dev/tcp/\${target%:*}/\${target#*:}" 2>/dev/null && echo "$target" &
    done; wait`;
    const space = ['ip', 'netns', 'exec', behind(bridge)];
    const answer = await run([...space, 'bash', '-c', tries, 'bash', ...targets], env);
    expectSuccess(answer);
    const answered = answer.stdout.split('\n');
    return targets.filter((target) => answered.includes(target));
  }

  const privately = [...PRIVATE, NAMESERVER].map((address) => `${address}:443`);
  const publicly = [`${PUBLIC}:443`, `${PUBLIC}:53`];

  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'berth-guard-'));
    await writeFile(path.join(folder, 'resolv.conf'), `nameserver ${NAMESERVER}\n`);
    for (const space of [host, net, ...BRIDGES.map(behind)]) {
      await ip(`netns add ${space}`);
      await ip(`-n ${space} link set lo up`);
    }
    await ip(`-n ${host} link add out0 type veth peer name eth0 netns ${net}`);
    await ip(`-n ${host} addr add ${GATEWAY}/24 dev out0`);
    await ip(`-n ${net} addr add 198.51.100.2/24 dev eth0`);
    for (const address of [PUBLIC, NAMESERVER, ...PRIVATE])
      await ip(`-n ${net} addr add ${address}/32 dev lo`);
    await ip(`-n ${host} link set out0 up`);
    await ip(`-n ${net} link set eth0 up`);
    await ip(`-n ${host} route add default via 198.51.100.2`);
    await ip(`-n ${net} route add default via ${GATEWAY}`);
    for (const [number, bridge] of BRIDGES.entries()) {
      await ip(`-n ${host} link add ${bridge} type bridge`);
      await ip(`-n ${host} addr add 10.77.${number}.1/24 dev ${bridge}`);
      await ip(`-n ${host} link add v${number} type veth peer name eth0 netns ${behind(bridge)}`);
      await ip(`-n ${host} link set v${number} master ${bridge} up`);
      await ip(`-n ${host} link set ${bridge} up`);
      await ip(`-n ${behind(bridge)} addr add 10.77.${number}.2/24 dev eth0`);
      await ip(`-n ${behind(bridge)} link set eth0 up`);
      await ip(`-n ${behind(bridge)} route add default via 10.77.${number}.1`);
    }
    const forward = 'echo 1 >/proc/sys/net/ipv4/ip_forward';
    expectSuccess(await run(['ip', 'netns', 'exec', host, 'bash', '-c', forward], env));
    await Promise.all([serve(host), serve(net)]);
  });
  after(async () => {
    for (const server of servers) {
      server.kill();
      if (server.exitCode === null && server.signalCode === null) await once(server, 'exit');
    }
    for (const space of [...BRIDGES.map(behind), net, host]) await run(['ip', 'netns', 'delete', space], env);
    await rm(folder, { recursive: true, force: true });
  });

  it('is everything while there are no rules, or this test would prove nothing', async () => {
    for (const bridge of BRIDGES) {
      const all = [...publicly, ...privately, `${GATEWAY}:443`];
      expect(await reached(bridge, all), bridge).to.deep.equal(all);
    }
  });

  describe('with the rules', () => {
    before(async () => expectSuccess(await guard('apply')));

    for (const bridge of BRIDGES.filter((name) => name !== 'br-lan')) {
      it(`is the internet and the nameserver’s port 53, but no private address, from ${bridge}`, async () => {
        const wanted = [...publicly, `${NAMESERVER}:53`];
        expect(await reached(bridge, [...wanted, '10.1.2.3:53', ...privately])).to.deep.equal(wanted);
      });
    }

    for (const bridge of ['docker_gwbridge', 'docker0']) {
      it(`is not the host itself from ${bridge}`, async () => {
        const own = [GATEWAY, `10.77.${BRIDGES.indexOf(bridge)}.1`].map((address) => `${address}:443`);
        expect(await reached(bridge, own)).to.deep.equal([]);
      });
    }

    it("is everything from a bridge that is none of Docker's", async () => {
      const all = [...publicly, ...privately, `${GATEWAY}:443`];
      expect(await reached('br-lan', all)).to.deep.equal(all);
    });

    it('is not what lies behind such a bridge, until the rules are removed', async () => {
      await serve(behind('br-lan'));
      const lan = [`10.77.${BRIDGES.indexOf('br-lan')}.2:443`];
      expect(await reached('docker_gwbridge', lan)).to.deep.equal([]);
      expectSuccess(await guard('remove'));
      expect(await reached('docker_gwbridge', lan)).to.deep.equal(lan);
    });
  });
});
