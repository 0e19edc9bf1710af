import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { Berth, Bucket } from '../support/berth.js';
import { NetworkView, reachedFrom, type Target } from '../support/network.js';
import { eventually, execIn } from '../support/swarm.js';

const run = promisify(execFile);
const USERS = ['dev', 'root'] as const;

/** Who may be asked of a row: each is shown to be there, and that nobody in a workspace reaches it. */
const ROWS = ['another workspace', 'api', 'controller', 'gateway', 's3', 'the host'] as const;

/** Makes what forges packages: raw IP, and frames as ARP has them. */
const FORGE = `import socket, sys
kinds = [(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW), (socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP), (socket.AF_PACKET, socket.SOCK_RAW, 0)]
for kind in kinds:
    try: socket.socket(*kind); print('made')
    except PermissionError: print('refused')`;

/** What would lead out of a container; each prints `done` when it works. */
const ESCAPES: Record<string, string> = {
  'mount a file system': 'mount -t tmpfs none /mnt',
  'make a user namespace': 'unshare --user --map-root-user true',
  'make a network namespace': 'unshare --net true',
  'set a parameter of the kernel': 'f=/proc/sys/net/ipv4/ip_forward; cat $f >$f',
  'see a process of the host': '[ "$(cat /proc/1/comm)" != tini ]',
  'speak to the Docker Engine': '[ -S /var/run/docker.sock ]',
  'make a device': 'mknod /tmp/berth-device b 7 0 && rm /tmp/berth-device',
};

/**
 * The person in a workspace is hostile, and has become root there (R9.1–R9.3). Each row has a control: the
 * same question by somebody who may.
 */
describe('From inside a hostile workspace', function () {
  this.timeout(240_000);
  const berth = new Berth();
  const unique = randomBytes(3).toString('hex');
  const hostile = `hostile-${unique}`;
  const victim = `victim-${unique}`;
  let container: string;
  const rows = new Map<string, { view: NetworkView; targets: Target[] }>();
  let listener: Server;

  const serviceContainer = async (name: string) => {
    const filter = `label=com.docker.swarm.service.name=${berth.stack}_${name}`;
    const { stdout } = await run('docker', ['ps', '--quiet', '--filter', filter]);
    return stdout.trim();
  };
  const published = async () => {
    const { stdout } = await run('docker', ['ps', '--format', '{{.Ports}}']);
    return new Set([...stdout.matchAll(/:(\d+)->/g)].map(([, port]) => Number(port)));
  };
  const viewOf = async (row: (typeof ROWS)[number]) => {
    if (row === 'the host') return NetworkView.host;
    if (row === 'another workspace') return NetworkView.of(await berth.containerOf(victim));
    return NetworkView.of(await serviceContainer(row));
  };

  before(async () => {
    await Promise.all(
      [
        { name: hostile, bucketId: hostile, image: 'berth/workspace' },
        { name: victim, bucketId: victim },
      ].map((body) => berth.start(body)),
    );
    container = await berth.containerOf(hostile);
    // Something of the host that everybody on its networks may reach, whatever else runs on it.
    listener = createServer((socket) => socket.end()).listen(0, '0.0.0.0');
    await once(listener, 'listening');
    const own = (await execIn(container, ['getent', 'hosts', 'berth-gateway'])).split(/\s+/)[0] ?? '';
    for (const row of ROWS) {
      const view = await viewOf(row);
      let targets = await view.targets();
      // What is published is for everybody, and the gateway is on the workspace's own network to be reached.
      const open = await published();
      if (row === 'the host') targets = targets.filter((target) => !open.has(portOf(target)));
      if (row === 'gateway') targets = targets.filter((target) => !target.startsWith(`${own}:`));
      rows.set(row, { view, targets });
    }
  });
  after(async () => {
    listener.close();
    await berth.removeQuietly([hostile, victim]);
    berth.close();
  });

  for (const row of ROWS) {
    it(`${row} is there`, async () => {
      const { view, targets } = rows.get(row)!;
      const reached = await view.reached(targets);
      expect(reached).not.to.be.empty;
      // The gateway has an address in each workspace's network, and those of other tests come and go.
      const still = new Set(await view.targets());
      expect(targets.filter((target) => still.has(target) && !reached.includes(target))).to.deep.equal([]);
    });
    for (const user of USERS) {
      it(`${row} is not reached by ${user}, by any address and port`, async () => {
        expect(await reachedFrom(container, user, rows.get(row)!.targets)).to.deep.equal([]);
      });
    }
  }

  it('each workspace is on a network of its own, with nobody but the gateway', async () => {
    for (const id of [hostile, victim]) {
      const { stdout } = await run('docker', ['network', 'inspect', `${berth.stack}-ws-${id}`]);
      const [network] = JSON.parse(stdout) as [{ Containers: Record<string, { Name: string }> }];
      const members = Object.entries(network.Containers).filter(([key]) => !key.startsWith('lb-'));
      const names = members.map(([, { Name }]) => Name.split('.')[0]);
      expect(names).to.have.members([`${berth.stack}-ws-${id}`, `${berth.stack}_gateway`]);
    }
  });

  it('its keys to the S3 server open its own bucket, not that of another', async () => {
    const { stdout } = await run('docker', ['inspect', '--format', '{{json .Config.Env}}', container]);
    const env = new Map(
      (JSON.parse(stdout) as string[]).map((line) => line.split(/=(.*)/s, 2) as [string, string]),
    );
    const keys = {
      accessKeyId: env.get('AWS_ACCESS_KEY_ID') ?? '',
      secretAccessKey: env.get('AWS_SECRET_ACCESS_KEY') ?? '',
      sessionToken: env.get('AWS_SESSION_TOKEN'),
    };
    const own = new Bucket(berth, hostile, keys);
    const others = new Bucket(berth, victim, keys);
    const admin = new Bucket(berth, victim);
    await eventually('the bucket of the other', () => admin.exists());
    await admin.put('theirs', 'x');
    await own.put('mine', 'x');
    expect(await own.get('mine')).to.equal('x');
    for (const attempt of [
      () => others.get('theirs'),
      () => others.put('theirs', 'y'),
      () => others.keys(''),
    ])
      expect(await attempt().catch((error: unknown) => String(error))).to.contain('AccessDenied');
    expect(await admin.get('theirs')).to.equal('x');
    for (const bucket of [own, others, admin]) bucket.close();
  });

  it('what everybody may reach of the host is among it', () => {
    const { port } = listener.address() as AddressInfo;
    const ports = new Set(rows.get('the host')!.targets.map(portOf));
    expect([...ports]).to.include.members([port, 2377, 7946]);
  });

  it('packets to the ports of the overlay networks are rejected by the rule (UDP)', async () => {
    const [bridge = ''] = (await NetworkView.host.addresses()).filter((address) =>
      address.startsWith('172.'),
    );
    const send = `const socket = require('node:dgram').createSocket('udp4');
      socket.on('error', () => {});
      let left = 20;
      for (let n = 0; n < 10; n++) for (const port of [4789, 7946])
        socket.send('x', port, '${bridge}', () => --left || socket.close());`;
    const before = await rejected();
    await execIn(container, ['/usr/local/bin/node', '-e', send], 'root');
    expect((await rejected()) - before).to.be.at.least(20);
  });

  for (const user of USERS) {
    it(`no other service is found by name by ${user}`, async () => {
      const own = `tasks.${berth.stack}-ws-${hostile}`;
      const others = ['api', 'controller', 'gateway', 's3'].flatMap((name) => [
        ...[name, `tasks.${name}`, `${berth.stack}_${name}`, `tasks.${berth.stack}_${name}`],
      ]);
      const names = [own, ...others, `${berth.stack}-ws-${victim}`, `tasks.${berth.stack}-ws-${victim}`];
      const script = `for name; do timeout 5 getent hosts "$name" >/dev/null && echo "$name"; done; true`;
      const found = await execIn(container, ['bash', '-c', script, 'bash', ...names], user);
      expect(found.trim().split('\n')).to.deep.equal([own]);
    });

    it(`the gateway shows ${user} nothing but the agents' calls and the bucket`, async () => {
      const hosts = [
        'berth-gateway',
        `api.${berth.domain}`,
        `metrics.${berth.domain}`,
        'traefik',
        'localhost',
      ];
      const paths = ['/', '/api/containers', '/auth', '/metrics', '/dashboard/', '/api/rawdata', '/ping'];
      const script = `for host in ${hosts.join(' ')}; do for path in ${paths.join(' ')}; do
        curl -s -o /dev/null -m 5 -w '%{http_code} ' -H "Host: $host" http://berth-gateway:7070$path; done; done`;
      const codes = (await execIn(container, ['bash', '-c', script], user)).trim().split(' ');
      expect(codes).to.have.length(hosts.length * paths.length);
      expect([...new Set(codes)]).to.deep.equal(['404']);
      // The control: this call it does pass on.
      const call = `curl -s -o /dev/null -w '%{http_code}' -X PUT http://berth-gateway:7070/agent/report`;
      expect(await execIn(container, ['bash', '-c', call], user)).to.equal('401');
    });

    it(`${user} can forge neither packets nor frames`, async () => {
      const made = (await execIn(container, ['python3', '-c', FORGE], user)).trim().split('\n');
      expect(made).to.deep.equal(['refused', 'refused', 'refused']);
    });

    for (const [what, script] of Object.entries(ESCAPES)) {
      it(`${user} cannot ${what}`, async () => {
        const outcome = await execIn(
          container,
          ['bash', '-c', `(${script}) 2>/dev/null && echo done || true`],
          user,
        );
        expect(outcome).to.equal('');
      });
    }
  }

  it('the host itself can forge and escape (so the questions are fair ones)', async () => {
    const { stdout: made } = await run('python3', ['-c', FORGE]);
    expect(made.trim().split('\n')).to.deep.equal(['made', 'made', 'made']);
    const fair = Object.keys(ESCAPES).filter((what) => !/process|Engine/.test(what));
    for (const what of fair) {
      const { stdout } = await run('unshare', [
        '--mount',
        '--net',
        'bash',
        '-c',
        `${ESCAPES[what]} && echo done`,
      ]);
      expect(stdout, what).to.equal('done\n');
    }
  });
});

const portOf = (target: Target) => Number(target.slice(target.lastIndexOf(':') + 1));

/** Packets that the guard has rejected on their way from workspaces to the host. */
async function rejected(): Promise<number> {
  for (const command of ['iptables-nft', 'iptables-legacy']) {
    const { stdout } = await run(command, ['-w', '-nvxL', 'BERTH-INPUT']).catch(() => ({ stdout: '' }));
    const line = stdout.split('\n').find((text) => /REJECT .* docker_gwbridge /.test(text));
    if (line !== undefined) return Number(line.trim().split(/\s+/)[0]);
  }
  throw new Error('there is no such rule');
}
