import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { eventually } from '../support/swarm.js';
import { expectSuccess, run } from './support.js';

const GUARD = fileURLToPath(new URL('../../manifests/guard/guard.sh', import.meta.url));

/** In a network namespace of the test's own, with an iptables-restore that refuses while a file is there. */
describe('The guard, when the kernel refuses its rules', function () {
  this.timeout(60_000);
  const space = `btf${randomBytes(3).toString('hex')}`;
  const outside = process.env['PATH'] ?? '';
  const soon = (what: string, check: () => Promise<boolean>) => eventually(what, check, 15_000);
  let folder: string;
  const file = (name: string) => path.join(folder, name);
  const guard = (...args: string[]) => ['ip', 'netns', 'exec', space, 'bash', GUARD, ...args];
  const env = () => ({
    PATH: `${folder}:${outside}`,
    BERTH_GUARD_RESOLVER: file('resolv.conf'),
    BERTH_GUARD_INTERVAL: '0.2',
  });
  const chain = async () => {
    const list = ['ip', 'netns', 'exec', space, 'iptables', '-S', 'BERTH-PRIVATE'];
    return (await run(list, { PATH: outside })).stdout;
  };

  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'berth-guard-'));
    await writeFile(file('resolv.conf'), 'nameserver 10.9.8.7\n');
    for (const name of ['iptables-restore', 'iptables-nft-restore', 'iptables-legacy-restore']) {
      const refuse = `if [[ -e '${file('refuse')}' ]]; then cat >/dev/null; touch '${file('refused')}'; exit 4; fi`;
      const script = `#!/bin/bash\n${refuse}\nPATH='${outside}' exec ${name} "$@"\n`;
      await writeFile(file(name), script, { mode: 0o755 });
    }
    expectSuccess(await run(['ip', 'netns', 'add', space], env()));
  });
  afterEach(async () => {
    await run(['ip', 'netns', 'delete', space], env());
    await rm(folder, { recursive: true, force: true });
  });

  it('does not claim that they are in force', async () => {
    await writeFile(file('refuse'), '');
    const answer = await run(guard('apply'), env());
    expect(answer.status).not.to.equal(0);
    expect(answer.stderr).not.to.contain('in force');
    expect((await run(guard('check'), env())).status).not.to.equal(0);
  });

  it('tries again in the next round, and ends when it is told to', async () => {
    const [program = '', ...args] = guard('loop');
    const loop = spawn(program, args, { env: env(), stdio: 'ignore' });
    try {
      await soon('the first rules', async () => (await chain()).includes('10.9.8.7/32'));
      await writeFile(file('refuse'), '');
      await writeFile(file('resolv.conf'), 'nameserver 10.9.8.6\n');
      await soon('a refusal', async () => existsSync(file('refused')));
      expect(await chain()).to.contain('10.9.8.7/32');
      await rm(file('refuse'));
      await soon('the new rules', async () => (await chain()).includes('10.9.8.6/32'));
      expect(await chain()).not.to.contain('10.9.8.7/32');
    } finally {
      loop.kill();
      await once(loop, 'exit');
    }
    expect(loop.exitCode).to.equal(0);
  });
});
