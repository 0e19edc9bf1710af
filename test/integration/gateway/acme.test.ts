import { once } from 'node:events';
import { readFile, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import tls from 'node:tls';
import { expect } from 'chai';
import { Backend } from '../../support/gateway/backend.js';
import { Gateway } from '../../support/gateway/gateway.js';
import { handshake } from '../../support/gateway/handshake.js';
import { Pebble } from '../../support/gateway/pebble.js';
import { askGateway } from '../../support/gateway/tls-suite.js';
import { eventually } from '../../support/swarm.js';

/** The gateway as it is in a stack, and a real ACME server. */
describe('BERTH_TLS=acme', function () {
  this.timeout(180_000);
  let gateway: Gateway;
  let pebble: Pebble;
  const backend = new Backend((_request, response) => response.end('hello'));

  before(() => backend.start());
  after(() => backend.stop());

  beforeEach(async () => {
    gateway = new Gateway();
    pebble = new Pebble();
    await gateway.choosePorts();
    await pebble.start(gateway);
  });
  afterEach(async function () {
    if (this.currentTest?.state === 'failed')
      console.error(gateway.output.slice(-4000), pebble.output.slice(-2000));
    await gateway.remove();
    await pebble.stop();
  });

  const settings = (more: Record<string, string>) => ({
    BERTH_TLS: 'acme',
    BERTH_ACME_EMAIL: 'ops@example.com',
    BERTH_ACME_SERVER: pebble.directory,
    BERTH_ACME_CA: pebble.serverCa,
    BERTH_TLS_CA: pebble.issuer,
    BERTH_ACME_DNS_PROVIDER: '',
    ...more,
  });
  const start = async (more: Record<string, string>, args: string[] = []) => {
    await gateway.certify(settings(more));
    await gateway.start(
      { 'http://api:8080': backend.url, 'http://controller:9095': backend.url },
      settings(more),
      args,
    );
  };
  const host = (name: string) => `${name}.${gateway.domain}`;
  /** Whether the authority vouches for what is served for this host. */
  const isGood = async (name: string) => {
    const trust = ['-CAfile', gateway.state('tls/private-ca.crt'), '-verify_hostname', host(name)];
    return (await handshake(gateway.httpsPort, host(name), ...trust)).verdict === '0 (ok)';
  };
  const eventuallyGood = (...names: string[]) =>
    Promise.all(
      names.map((name) => eventually(`a certificate for ${host(name)}`, () => isGood(name), 60_000)),
    );
  const namesServed = async (name: string) => {
    const options = {
      host: '127.0.0.1',
      port: gateway.httpsPort,
      servername: host(name),
      rejectUnauthorized: false,
    };
    const socket = tls.connect(options);
    await once(socket, 'secureConnect');
    const { subjectaltname = '' } = socket.getPeerCertificate();
    socket.destroy();
    return subjectaltname;
  };
  /** What each stored certificate is for. */
  const stored = async () => {
    const { acme } = JSON.parse(await readFile(gateway.state('acme/acme.json'), 'utf8')) as {
      acme: { Certificates: { domain: { main: string; sans?: string[] } }[] | null };
    };
    return (acme.Certificates ?? [])
      .map(({ domain }) => [domain.main, ...(domain.sans ?? [])].join(' '))
      .sort();
  };

  for (const challenge of ['http', 'tls'] as const) {
    it(`gets a certificate for each host by ${challenge}, and keeps them over a restart`, async () => {
      gateway.route('demo', backend.address);
      await start({ BERTH_ACME_CHALLENGE: challenge });
      const names = ['api', 'metrics', 'demo-code', 'demo-vnc', 'demo-web'];
      await eventuallyGood(...names);
      expect(await stored()).to.deep.equal(names.map(host).sort());
      expect((await stat(gateway.state('acme/acme.json'))).mode & 0o777).to.equal(0o600);
      expect(await namesServed('api')).to.equal(`DNS:${host('api')}`);

      // The proof by HTTP does not go round what holds for everybody else.
      const target = { ...gateway, ca: gateway.state('tls/private-ca.crt') };
      const answer = await askGateway(target, `https://${host('api')}/`);
      expect(answer.status).to.equal(200);
      expect(answer.headers['strict-transport-security']).to.equal('max-age=31536000');
      expect((await askGateway(target, `http://${host('api')}/`)).status).to.equal(301);
      // Nobody makes it ask for other names.
      expect(await isGood('nobody')).to.be.false;

      const before = await readFile(gateway.state('acme/acme.json'), 'utf8');
      await gateway.stop();
      await gateway.start({}, settings({ BERTH_ACME_CHALLENGE: challenge }));
      await eventuallyGood(...names);
      expect(await readFile(gateway.state('acme/acme.json'), 'utf8')).to.equal(before);
    });
  }

  it('gets one certificate for everything by a DNS provider, also for workspaces that come later', async () => {
    const file = path.join(gateway.folder, 'provider.env');
    await writeFile(file, `# of the provider\nHTTPREQ_ENDPOINT=${pebble.providerUrl}\n`);
    const dns = {
      BERTH_ACME_CHALLENGE: 'dns',
      BERTH_ACME_DNS_PROVIDER: 'httpreq',
      BERTH_ACME_DNS_ENV_FILE: file,
    };
    // The DNS of this test has no zones in which a record could be looked for.
    const challenge = '--certificatesResolvers.acme.acme.dnsChallenge';
    const args = [`${challenge}.propagation.disableChecks=true`, `${challenge}.resolvers=${pebble.resolver}`];
    await start(dns, args);
    await eventuallyGood('api', 'metrics', 'later-code');
    expect(await namesServed('api')).to.equal(`DNS:${gateway.domain}, DNS:*.${gateway.domain}`);
    expect(await stored()).to.deep.equal([`${gateway.domain} *.${gateway.domain}`]);
    const record = `_acme-challenge.${gateway.domain}.`;
    expect(pebble.recordChanges).to.include.members([`/present ${record}`, `/cleanup ${record}`]);

    gateway.route('later', backend.address);
    const target = { ...gateway, ca: gateway.state('tls/private-ca.crt') };
    const later = () => askGateway(target, `https://${host('later-code')}/`);
    await eventually('the route is there', async () => (await later()).status === 200);
    expect(await stored()).to.deep.equal([`${gateway.domain} *.${gateway.domain}`]);
    expect(pebble.recordChanges.filter((change) => change.startsWith('/present'))).to.have.length(2);
  });

  it('says in its log that the authority does not answer, and serves nothing under a wrong name', async () => {
    await start({ BERTH_ACME_CHALLENGE: 'http', BERTH_ACME_SERVER: 'https://localhost:9/dir' });
    const told = () =>
      gateway.output.split('\n').some((line) => /"level":"error".*https:\/\/localhost:9\/dir/.test(line));
    await eventually('it is told', async () => told(), 60_000);
    expect(await isGood('api')).to.be.false;
  });
});
