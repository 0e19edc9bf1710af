import { expectFailure, expectSuccess, stageOfEachTest } from './support.js';

describe('make up checks the addresses of the control network', function () {
  this.timeout(30_000);
  const stage = stageOfEachTest();
  const networks = (...lines: string[]) =>
    stage().standIn(
      'docker',
      `[ "$2" = ls ] && echo id || printf '%s\\n' ${lines.map((l) => `'${l}'`).join(' ')}`,
    );

  it('refuses a range that another network has, and names that network', async () => {
    await networks('bridge||172.17.0.0/16 ', 'theirs||fd00::/64 10.201.0.128/25 ');
    expectFailure(
      await stage().script('addresses.sh', {}),
      'the network theirs has 10.201.0.128/25, and Berth needs 10.201.0.0/24',
      'BERTH_ADDRESS_POOL',
    );
    await networks('vpn||10.0.0.0/8 ');
    expectFailure(
      await stage().script('addresses.sh', {}),
      'the network vpn has 10.0.0.0/8',
      'docker network rm vpn',
    );
  });

  it('takes its own network, and networks that only lie beside it', async () => {
    await networks(
      'host||',
      'berth_control|berth|10.201.0.0/24 ',
      'near||10.201.1.0/24 ',
      'below||10.200.255.0/24 ',
    );
    expectSuccess(await stage().script('addresses.sh', {}));
    expectSuccess(await stage().script('addresses.sh', { BERTH_ADDRESS_POOL: '192.168.64.0/20' }));
  });
});
