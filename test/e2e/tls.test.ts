import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import tls from 'node:tls';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { Berth } from '../support/berth.js';
import { putAgedCertificate } from '../support/gateway/aged.js';
import { askGateway, tlsSuite, type TlsTarget } from '../support/gateway/tls-suite.js';
import { eventually } from '../support/swarm.js';

const run = promisify(execFile);

describe('HTTPS of a running Berth', function () {
  this.timeout(240_000);
  const berth = new Berth();
  const id = `tls-${randomBytes(3).toString('hex')}`;
  const host = (name: string) => `${name}.${berth.domain}`;
  const target: TlsTarget = {
    domain: berth.domain,
    httpPort: Number(process.env['BERTH_HTTP_PORT']),
    httpsPort: berth.port,
    ca: path.join(berth.stateDir, 'tls/ca.crt'),
    hosts: { api: host('api'), code: host(`${id}-code`), vnc: host(`${id}-vnc`), web: host(`${id}-web`) },
    key: process.env['BERTH_TEST_KEY'] ?? '',
  };

  before(() => berth.start({ name: id, bucketId: id }));
  after(async () => {
    await berth.removeQuietly([id]);
    berth.close();
  });

  tlsSuite(() => target);

  it('does not tell which S3 server is behind it', async () => {
    const { status, headers } = await askGateway(target, `https://${host('s3')}/`);
    expect(status).to.be.oneOf([200, 403]);
    expect(headers).not.to.have.property('server');
    expect(headers).to.include({ 'x-content-type-options': 'nosniff', 'x-frame-options': 'SAMEORIGIN' });
  });

  it('renews the certificate by itself and serves the new one, while the gateway goes on (R2.6)', async () => {
    const gateway = async () => {
      const filter = `label=com.docker.swarm.service.name=${berth.stack}_gateway`;
      return (await run('docker', ['ps', '--quiet', '--no-trunc', '--filter', filter])).stdout.trim();
    };
    const served = async () => {
      const servername = target.hosts.api;
      const ca = readFileSync(target.ca);
      const socket = tls.connect({ host: '127.0.0.1', port: target.httpsPort, servername, ca });
      await once(socket, 'secureConnect');
      const { valid_to, fingerprint256 } = socket.getPeerCertificate();
      socket.destroy();
      return { fingerprint256, daysLeft: (Date.parse(valid_to) - Date.now()) / 86_400_000 };
    };
    const before = { gateway: await gateway(), certificate: await served() };
    await putAgedCertificate(berth.stateDir, berth.domain, 20);
    // It may be renewed before the gateway has even taken the aged one.
    await eventually(
      'a new one is served',
      async () => {
        const { fingerprint256, daysLeft } = await served();
        return daysLeft > 300 && fingerprint256 !== before.certificate.fingerprint256;
      },
      150_000,
    );
    expect(await gateway()).to.equal(before.gateway);
    expect((await berth.api('GET', `/api/containers/${id}`)).json.status).to.equal('running');
  });
});
