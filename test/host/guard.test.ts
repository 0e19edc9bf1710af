import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { expectSuccess, run, type Answer } from './support.js';

const GUARD = fileURLToPath(new URL('../../manifests/guard/guard.sh', import.meta.url));
const PRIVATE = [
  ['0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12'],
  ['192.0.0.0/24', '192.168.0.0/16', '198.18.0.0/15', '240.0.0.0/4', '168.63.129.16/32'],
].flat();
const PRIVATE6 = [
  ['::1/128', 'fc00::/7', 'fe80::/10', '2002::/16', '64:ff9b:1::/48', '64:ff9b::a00:0/104'],
  ['64:ff9b::6440:0/106', '64:ff9b::7f00:0/104', '64:ff9b::a9fe:0/112', '64:ff9b::ac10:0/108'],
  ['64:ff9b::c0a8:0/112', '64:ff9b::a83f:8110/128'],
].flat();

/** In a network namespace of the test's own: the rules of this machine are not touched. */
describe('The guard', function () {
  this.timeout(60_000);
  const space = `btg${randomBytes(3).toString('hex')}`;
  const env = { PATH: process.env['PATH'] ?? '' };
  let folder: string;
  let resolver: string;

  const inside = (...command: string[]) => run(['ip', 'netns', 'exec', space, ...command], env);
  const guard = (verb: string): Promise<Answer> =>
    run(['ip', 'netns', 'exec', space, 'bash', GUARD, verb], { ...env, BERTH_GUARD_RESOLVER: resolver });
  const rules = async (command: string, chain: string) => (await inside(command, '-S', chain)).stdout;
  const all = async () => (await inside('iptables-save')).stdout.replace(/^#.*$|\[\d+:\d+\]/gm, '');

  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'berth-guard-'));
    resolver = path.join(folder, 'resolv.conf');
    await writeFile(resolver, 'nameserver 10.9.8.7\nnameserver 127.0.0.53\n');
    expectSuccess(await run(['ip', 'netns', 'add', space], env));
  });
  after(async () => {
    await run(['ip', 'netns', 'delete', space], env);
    await rm(folder, { recursive: true, force: true });
  });

  it('says that the rules are not in force where there are none', async () => {
    expect((await guard('check')).status).not.to.equal(0);
  });

  it('rejects what containers send to private ranges, and what they send to the host', async () => {
    expectSuccess(await guard('apply'));
    expectSuccess(await guard('check'));
    const privately = await rules('iptables', 'BERTH-PRIVATE');
    for (const range of PRIVATE) expect(privately).to.match(new RegExp(`-d ${range} .*-j REJECT`));
    const six = await rules('ip6tables', 'BERTH-PRIVATE');
    for (const range of PRIVATE6) expect(six).to.match(new RegExp(`-d ${range} .*-j REJECT`));
    expect(await rules('iptables', 'BERTH-INPUT')).to.match(/-i docker_gwbridge -j REJECT/);
    expect(await rules('iptables', 'INPUT')).to.match(/^-A INPUT -j BERTH-INPUT$/m);
    expect(await rules('iptables', 'DOCKER-USER')).to.match(/^-A DOCKER-USER -j BERTH-FORWARD$/m);
  });

  it("lets the host's private nameserver through on port 53 and no other", async () => {
    const privately = await rules('iptables', 'BERTH-PRIVATE');
    const before = privately.slice(0, privately.indexOf('REJECT'));
    expect(before.match(/-d 10\.9\.8\.7\/32 .*--dport 53 -j RETURN/g)).to.have.length(2);
    expect(privately.match(/-j RETURN/g)).to.have.length(2);
  });

  it('changes nothing when it is applied again', async () => {
    const before = await all();
    expectSuccess(await guard('apply'));
    expect(await all()).to.equal(before);
  });

  it('notices and mends what somebody else took away', async () => {
    const before = await all();
    await inside('iptables', '-F', 'BERTH-PRIVATE');
    await inside('iptables', '-D', 'DOCKER-USER', '-j', 'BERTH-FORWARD');
    expect((await guard('check')).status).not.to.equal(0);
    expectSuccess(await guard('apply'));
    expect(await all()).to.equal(before);
  });

  for (const family of ['iptables', 'ip6tables']) {
    for (const chain of ['BERTH-FORWARD', 'BERTH-EGRESS', 'BERTH-PRIVATE', 'BERTH-INPUT']) {
      it(`notices and mends ${chain} of ${family} when it was emptied`, async () => {
        const before = await rules(family, chain);
        await inside(family, '-F', chain);
        expect((await guard('check')).status).not.to.equal(0);
        expectSuccess(await guard('apply'));
        expectSuccess(await guard('check'));
        expect(await rules(family, chain)).to.equal(before);
      });
    }
  }

  it('stays first where others put rules before it', async () => {
    await inside('iptables', '-I', 'DOCKER-USER', '-j', 'ACCEPT');
    expect((await guard('check')).status).not.to.equal(0);
    expectSuccess(await guard('apply'));
    expect((await rules('iptables', 'DOCKER-USER')).split('\n')[1]).to.equal(
      '-A DOCKER-USER -j BERTH-FORWARD',
    );
  });

  it("neither guards nor trusts a bridge whose name only looks like Docker's", async () => {
    await inside('ip', 'link', 'add', 'br-lan', 'type', 'bridge');
    expectSuccess(await guard('apply'));
    const forward = await rules('iptables', 'BERTH-FORWARD');
    expect(forward.indexOf('-i br-lan -j RETURN')).to.be.within(0, forward.indexOf('-i br-+'));
    const egress = await rules('iptables', 'BERTH-EGRESS');
    expect(egress.indexOf('-o br-lan -j BERTH-PRIVATE')).to.be.within(0, egress.indexOf('-o br-+'));
  });

  it('takes away all that it made', async () => {
    expectSuccess(await guard('remove'));
    expect(await all()).not.to.contain('BERTH');
    expect((await inside('ip6tables-save')).stdout).not.to.contain('BERTH');
  });
});
