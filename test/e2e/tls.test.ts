import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { expect } from 'chai';
import { Berth } from '../support/berth.js';
import { askGateway, tlsSuite, type TlsTarget } from '../support/gateway/tls-suite.js';

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
});
