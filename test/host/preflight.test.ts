import { existsSync } from 'node:fs';
import { expect } from 'chai';
import { close, expectFailure, expectSuccess, listen, run, stageOfEachTest } from './support.js';

describe('make up checks the machine first', function () {
  this.timeout(30_000);
  const stage = stageOfEachTest();
  const free = (mib: number) =>
    stage().standIn('df', `printf 'Filesystem 1M-blocks Used Available\\n/dev/x 9 9 ${mib} 1%% /\\n'`);
  const addresses = ['127.0.0.1', ...(existsSync('/proc/net/if_inet6') ? ['::1'] : [])];
  let ports: { BERTH_HTTP_PORT: string; BERTH_HTTPS_PORT: string };

  beforeEach(async () => {
    await stage().standIn('apt-get', 'exit 100');
    await free(20_000);
    const listeners = await Promise.all([listen('127.0.0.1'), listen('127.0.0.1')]);
    await Promise.all(listeners.map(({ server }) => close(server)));
    const [http, https] = listeners;
    ports = { BERTH_HTTP_PORT: String(http.port), BERTH_HTTPS_PORT: String(https.port) };
  });

  it('has nothing against a machine that will do, and changes nothing on it', async () => {
    const answer = await stage().script('preflight.sh', ports);
    expectSuccess(answer);
    expect(answer.stderr).to.contain('19 GiB free');
    expect(answer.stderr).to.contain(`ports ${ports.BERTH_HTTP_PORT} and ${ports.BERTH_HTTPS_PORT} usable`);
    expect(await stage().calls()).to.have.length(1);
    expect((await stage().calls())[0]).to.match(/^df /);
  });

  it('wants root, and says how', async () => {
    const nobody = ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups'];
    const script = stage().path('manifests/host/preflight.sh');
    const answer = await run([...nobody, 'bash', script], stage().env(ports));
    expectFailure(answer, 'this needs root', 'sudo make up');
  });

  it('knows a distribution without apt-get', async () => {
    const bare = { ...ports, PATH: stage().path('tools') };
    expectFailure(
      await stage().script('preflight.sh', bare),
      'there is no apt-get',
      /Debian 12 or Ubuntu 22\.04/,
    );
  });

  it('says how much disk is free and how much is needed', async () => {
    await free(6143);
    const answer = await stage().script('preflight.sh', ports);
    expectFailure(answer, /only 6143 MiB are free below \/var\/lib.*6144 are needed/, /free some space/);
    await free(6144);
    expectSuccess(await stage().script('preflight.sh', ports));
  });

  for (const name of ['BERTH_HTTP_PORT', 'BERTH_HTTPS_PORT']) {
    for (const address of addresses) {
      it(`names the port, its holder and ${name} when somebody listens on ${address}`, async () => {
        const { server, port } = await listen(address);
        try {
          const answer = await stage().script('preflight.sh', { ...ports, [name]: String(port) });
          expectFailure(answer, `port ${port} is taken by `, `set ${name} in .env to another port`);
          expect(answer.stderr).to.contain(`(pid ${process.pid})`);
        } finally {
          await close(server);
        }
      });
    }
  }

  it('sees a taken port where the kernel has no IPv6 as well', async () => {
    for (const tool of ['awk', 'cat']) {
      const real = stage().path('tools', tool);
      await stage().standIn(tool, `exec '${real}' "\${@/#'/proc/net/tcp6'/'/proc/net/none'}"`);
    }
    const { server, port } = await listen('127.0.0.1');
    try {
      const answer = await stage().script('preflight.sh', { ...ports, BERTH_HTTP_PORT: String(port) });
      expectFailure(answer, `port ${port} is taken`, 'BERTH_HTTP_PORT');
    } finally {
      await close(server);
    }
  });

  it('wants less of a disk where the images are built', async () => {
    await stage().standIn('docker', `[[ "$1 $2" == 'image inspect' ]]`);
    await free(512);
    expectSuccess(await stage().script('preflight.sh', ports));
    await free(511);
    expectFailure(
      await stage().script('preflight.sh', ports),
      /only 511 MiB are free.*512 are needed/,
      /free some/,
    );
  });

  it("leaves the ports alone that this stack's own gateway holds, and no others", async () => {
    const { server, port } = await listen('127.0.0.1');
    const held = { ...ports, BERTH_HTTP_PORT: String(port) };
    await stage().standIn(
      'docker',
      `[[ "$*" == *"=berth_gateway --filter publish=${port}" ]] && echo 0123456789ab`,
    );
    try {
      expectSuccess(await stage().script('preflight.sh', held));
      const foreign = await listen('127.0.0.1');
      const moved = { ...held, BERTH_HTTPS_PORT: String(foreign.port) };
      expectFailure(
        await stage().script('preflight.sh', moved),
        `port ${foreign.port} is taken`,
        'BERTH_HTTPS_PORT',
      );
      await close(foreign.server);
      const other = await stage().script('preflight.sh', { ...held, BERTH_STACK: 'other' });
      expectFailure(other, `port ${port} is taken`, 'BERTH_HTTP_PORT');
    } finally {
      await close(server);
    }
  });

  it('checks the settings before anything is changed', async () => {
    const answer = await stage().script('preflight.sh', { ...ports, BERTH_DOMAIN: 'localhost' });
    expectFailure(answer, "BERTH_DOMAIN='localhost'", 'BERTH_DOMAIN');
  });
});
