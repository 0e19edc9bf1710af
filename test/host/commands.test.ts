import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect } from 'chai';
import { expectFailure, expectSuccess, stageOfEachTest } from './support.js';

describe('make purge, down, key and images say what is wrong', function () {
  this.timeout(30_000);
  const stage = stageOfEachTest();
  const file = () => path.join(stage().state, 'precious');

  beforeEach(async () => {
    await mkdir(stage().state);
    await writeFile(file(), '');
    await stage().standIn('docker', 'exit 1');
  });

  it("purge keeps its hands off a folder that is none of Berth's", async () => {
    const answer = await stage().script('purge.sh', { PURGE: 'yes' });
    expectFailure(answer, `${stage().state} does not look like a state folder of Berth`, 'BERTH_STATE_DIR');
    expect(existsSync(file())).to.be.true;
    expect(await stage().calls()).to.deep.equal([]);
  });

  it('purge removes nothing when there is nobody to ask', async () => {
    await mkdir(path.join(stage().state, 'secrets'));
    for (const PURGE of ['', 'no', 'YES']) {
      const answer = await stage().script('purge.sh', { PURGE });
      expectFailure(answer, 'nobody to ask', 'make purge PURGE=yes');
      expect(answer.stderr).to.contain(`and ${stage().state}`).and.contain('ALL FILES in its buckets');
    }
    expect(existsSync(file())).to.be.true;
    expect(await stage().calls()).to.deep.equal([]);
  });

  it('purge removes nothing when Berth cannot be stopped first', async () => {
    await mkdir(path.join(stage().state, 'secrets'));
    const answer = await stage().script('purge.sh', { PURGE: 'yes' });
    expectFailure(answer, 'the Docker Engine does not answer', /systemctl start docker.*again/);
    expect(existsSync(file())).to.be.true;
    expect(await stage().calls()).to.deep.equal(['docker info']);
  });

  it('down says that the engine does not answer', async () => {
    expectFailure(
      await stage().script('down.sh'),
      'the Docker Engine does not answer',
      'systemctl start docker',
    );
  });

  it('down has nothing to do where there is no Swarm', async () => {
    await stage().standIn('docker', '[[ "$1" == info ]] && echo false');
    expectSuccess(await stage().script('down.sh'));
    expect((await stage().calls()).every((call) => call.startsWith('docker info'))).to.be.true;
  });

  it('key wants a name, and shows an example', async () => {
    for (const args of [[], ['']]) {
      const answer = await stage().script('keys.sh', {}, 'add', ...args);
      expectFailure(answer, 'the key needs a name', 'make -s key NAME=ci');
      expect(answer.stdout).to.equal('');
    }
  });

  it('key says that Berth is not set up yet', async () => {
    const none = { BERTH_STATE_DIR: stage().path('none') };
    expectFailure(await stage().script('keys.sh', none, 'add', 'ci'), 'there is no state folder', 'make up');
    const answer = await stage().script('keys.sh', { BERTH_IMAGE_TAG: 'v7' }, 'add', 'ci');
    expectFailure(answer, 'the image berth/control:v7 is missing', 'make up');
    expect((await stage().calls()).join('\n')).not.to.contain('docker run');
  });

  it('deploying says which image is missing', async () => {
    const answer = await stage().script('deploy.sh', { BERTH_IMAGE_TAG: 'v7' });
    expectFailure(answer, 'the image berth/control:v7 is missing', 'make images');
    expect((await stage().calls()).join('\n')).not.to.contain('stack deploy');
  });

  it('the first workspace is left out with DEMO=0', async () => {
    expectSuccess(await stage().script('demo.sh', { DEMO: '0' }));
    expect(existsSync(path.join(stage().state, 'desired'))).to.be.false;
  });

  it('the guard says that iptables refused, and how to see why', async () => {
    const answer = await stage().script('guard.sh');
    expectFailure(answer, 'iptables refused the rules', /run .*manifests\/guard\/guard\.sh apply/);
  });
});
