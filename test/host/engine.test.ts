import { mkdir, realpath, symlink } from 'node:fs/promises';
import { expect } from 'chai';
import { expectFailure, expectSuccess, stageOfEachTest } from './support.js';

describe('make up and the Docker Engine', function () {
  this.timeout(30_000);
  const stage = stageOfEachTest();

  /** A client whose engine has this version; none: its engine does not answer. */
  const engine = (version?: string) =>
    stage().standIn(
      'docker',
      version === undefined
        ? 'echo "Cannot connect to the Docker daemon" >&2; exit 1'
        : `case "$*" in *Server.APIVersion*) echo 1.40 ;; *Server.Version*) echo '${version}' ;; *) exit 1 ;; esac`,
    );

  describe('engine.sh', () => {
    for (const version of ['19.03.5', '18.09.1~ce', '20.9.9', '1.13.1']) {
      it(`refuses Docker ${version}, and says what will do`, async () => {
        await engine(version);
        const answer = await stage().script('engine.sh');
        expectFailure(answer, `Docker Engine ${version} is too old`, '20.10 or newer');
      });
    }

    for (const version of ['20.10.24+dfsg1', '20.10.0-rc1', '23.0.1', '28.1.1']) {
      it(`takes Docker ${version}`, async () => {
        await engine(version);
        const answer = await stage().script('engine.sh');
        expectSuccess(answer);
        expect(answer.stderr).to.contain(`Docker Engine ${version} answers`);
      });
    }

    it('does not start an engine here while DOCKER_HOST points elsewhere', async () => {
      await engine();
      for (const daemon of ['dockerd', 'systemctl']) await stage().standIn(daemon, 'exit 1');
      const answer = await stage().script('engine.sh', { DOCKER_HOST: 'tcp://192.0.2.1:2375' });
      expectFailure(answer, 'DOCKER_HOST=tcp://192.0.2.1:2375 does not answer', 'unset DOCKER_HOST');
      expect((await stage().calls()).filter((call) => !call.startsWith('docker '))).to.deep.equal([]);
    });

    it('says that the package sources do not answer, in the words of apt-get', async () => {
      await engine();
      await stage().standIn('apt-get', 'echo "E: Failed to fetch http://deb.example.com"; exit 100');
      const answer = await stage().script('engine.sh');
      expectFailure(answer, /^apt: .*\/berth-apt\.log\)$/, /check the package sources.*make up again/);
      expect(answer.stderr).to.contain('E: Failed to fetch http://deb.example.com');
      expect((await stage().calls()).filter((call) => call.includes(' install '))).to.deep.equal([]);
    });
  });

  describe('packages.sh', () => {
    // Only what lib.sh and the script itself run on: iptables, ip, openssl, curl and tar are missing.
    /** A PATH with the stand-ins and hardly a tool. */
    const bare = async () => {
      await mkdir(stage().path('few'));
      for (const tool of ['bash', 'dirname', 'tail']) {
        await symlink(await realpath(stage().path('tools', tool)), stage().path('few', tool));
      }
      return { PATH: `${stage().path('bin')}:${stage().path('few')}` };
    };

    it('installs only what is missing, and tells what', async () => {
      await stage().standIn('iptables', 'exit 1');
      await stage().standIn('apt-get', 'exit 0');
      const answer = await stage().script('packages.sh');
      expectSuccess(answer);
      expect((await stage().calls()).filter((call) => / install .*(iptables|curl)/.test(call))).to.deep.equal(
        [],
      );
    });

    it('says that a package could not be installed, and that another apt may run', async () => {
      await stage().standIn(
        'apt-get',
        `[[ "$*" == *update ]] || { echo 'E: Could not get lock'; exit 100; }`,
      );
      const answer = await stage().script('packages.sh', await bare());
      expectFailure(answer, /^apt: 'apt-get install /, /another apt is running: wait/);
      expect(answer.stderr).to.contain('E: Could not get lock');
      expect(answer.stderr).to.match(/Installing .*iptables/);
    });
  });

  describe('swarm.sh', () => {
    const swarm = (state: string, more = 'exit 1') =>
      stage().standIn('docker', `[[ "$1" != info ]] || { echo '${state}'; exit; }\n${more}`);
    const initialise = () => stage().script('swarm.sh', { BERTH_ADVERTISE_ADDR: '192.0.2.7' });

    it('has nothing to do on a manager', async () => {
      await swarm('active true');
      expectSuccess(await initialise());
      expect((await stage().calls()).join('\n')).not.to.contain('swarm');
    });

    const states: [string, string, RegExp][] = [
      ['active false', 'a worker of another Swarm', /docker node promote.*docker swarm leave/],
      ['locked false', 'is locked', /docker swarm unlock/],
      ['error false', 'in an error state', /docker info/],
      ['pending false', 'just joining a Swarm', /wait until docker info says active.*make up again/],
    ];
    for (const [state, wrong, next] of states) {
      it(`does not touch a Swarm that is “${state}”, and says the way out`, async () => {
        await swarm(state);
        expectFailure(await initialise(), wrong, next);
        expect(await stage().calls()).to.have.length(1);
      });
    }

    it('makes this engine a manager when there is no Swarm', async () => {
      const made = stage().path('made');
      await stage().standIn(
        'docker',
        `case "$1" in
           info) [[ -e '${made}' ]] && echo 'active true' || echo 'inactive false' ;;
           swarm) touch '${made}' ;;
         esac`,
      );
      expectSuccess(await initialise());
      const call = (await stage().calls()).find((line) => line.startsWith('docker swarm'));
      expect(call).to.match(/^docker swarm init --advertise-addr 192\.0\.2\.7 /);
    });

    it('tells why Docker refused, and which setting helps', async () => {
      await swarm('inactive false', 'echo "could not choose an IP address"; exit 1');
      const answer = await initialise();
      expectFailure(answer, 'swarm-init', 'BERTH_ADVERTISE_ADDR');
      expect(answer.stderr).to.contain('could not choose an IP address');
    });

    it('does not believe Docker until the Swarm is active', async () => {
      await swarm('inactive false', 'exit 0');
      expectFailure(await initialise(), 'Swarm did not become active', 'docker info');
    });
  });
});
