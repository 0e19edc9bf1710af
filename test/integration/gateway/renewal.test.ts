import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { X509Certificate } from 'node:crypto';
import { mkdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import tls from 'node:tls';
import { expect } from 'chai';
import { putAgedCertificate } from '../../support/gateway/aged.js';
import { Authority } from '../../support/gateway/authority.js';
import { Gateway } from '../../support/gateway/gateway.js';
import { eventually } from '../../support/swarm.js';

/** The service certs and the gateway as they are in a stack, but on loopback and in a hurry. */
describe('Certificates change while the gateway runs', function () {
  this.timeout(120_000);
  let gateway: Gateway;
  let certs: ChildProcess | null = null;
  let log = '';

  beforeEach(() => {
    gateway = new Gateway();
    log = '';
  });
  afterEach(async () => {
    if (certs !== null && certs.exitCode === null) {
      certs.kill('SIGTERM');
      await once(certs, 'exit');
    }
    certs = null;
    await gateway.remove();
  });

  const keep = (settings: Record<string, string> = {}) => {
    const env = { BERTH_DOMAIN: gateway.domain, BERTH_STATE_DIR: gateway.state(), BERTH_TLS: 'local' };
    const child = spawn('bash', ['manifests/certs/certs.sh'], {
      env: { PATH: process.env['PATH'], BERTH_CERTS_INTERVAL: '0.3', ...env, ...settings },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (data: Buffer) => (log += String(data)));
    certs = child;
  };
  /** A TLS connection, its certificate not looked at. */
  const connect = async () => {
    const servername = `api.${gateway.domain}`;
    const socket = tls.connect({
      port: gateway.httpsPort,
      host: '127.0.0.1',
      servername,
      rejectUnauthorized: false,
    });
    await once(socket, 'secureConnect');
    return socket;
  };
  const served = async () => {
    const socket = await connect();
    const { raw } = socket.getPeerCertificate();
    socket.destroy();
    return new X509Certificate(raw);
  };
  const inForce = async () => new X509Certificate(await readFile(gateway.state('tls/tls.crt')));
  const daysLeft = ({ validTo }: X509Certificate) => (Date.parse(validTo) - Date.now()) / 86_400_000;

  describe('BERTH_TLS=local', () => {
    const age = (days: number) => putAgedCertificate(gateway.state(), gateway.domain, days);

    it('is renewed 30 days before its end, and served without a restart that would break connections', async () => {
      await gateway.certify();
      await age(29);
      await gateway.start();
      expect(daysLeft(await served())).to.be.within(28, 30);
      const open = await connect();
      keep();
      await eventually('the new certificate is served', async () => daysLeft(await served()) > 300, 20_000);
      const now = await served();
      const ca = new X509Certificate(await readFile(gateway.state('tls/ca.crt')));
      expect(now.verify(ca.publicKey)).to.be.true;
      expect(now.fingerprint256).to.equal((await inForce()).fingerprint256);
      // The connection of before goes on.
      open.write(`GET /nothing HTTP/1.1\r\nHost: api.${gateway.domain}\r\n\r\n`);
      const [data] = (await once(open, 'data')) as [Buffer];
      open.destroy();
      expect(String(data)).to.match(/^HTTP\/1\.1 \d{3} /);
      await eventually('it is told', async () =>
        log.includes('another certificate for *.gateway-test.localhost'),
      );
    });

    it('stays while it is good', async () => {
      await gateway.certify();
      await age(31);
      const before = await inForce();
      keep();
      await new Promise((resolve) => setTimeout(resolve, 1500));
      expect((await inForce()).fingerprint256).to.equal(before.fingerprint256);
      expect(log).to.equal('');
    });

    it('makes no other authority by itself, and says once what to do', async () => {
      await gateway.certify();
      await age(10);
      const before = await inForce();
      await rm(gateway.state('secrets/ca.key'));
      keep();
      await eventually('it is told', async () => log.includes('run make up'));
      await new Promise((resolve) => setTimeout(resolve, 1000));
      expect(log.trim().split('\n')).to.have.length(1);
      expect(JSON.parse(log)).to.include({ level: 'error' });
      expect((await inForce()).fingerprint256).to.equal(before.fingerprint256);
    });

    it('is not served while only half of it is there', async () => {
      await gateway.certify();
      const [crt, key] = [gateway.state('tls/tls.crt'), gateway.state('tls/tls.key')];
      const [oldCrt, oldKey] = await Promise.all([readFile(crt), readFile(key)]);
      await age(100);
      const [newCrt, newKey] = await Promise.all([readFile(crt), readFile(key)]);
      await writeFile(crt, oldCrt);
      await writeFile(key, oldKey);
      await gateway.start();
      const before = await served();
      await writeFile(key, newKey);
      await new Promise((resolve) => setTimeout(resolve, 1000));
      expect((await served()).fingerprint256).to.equal(before.fingerprint256);
      await writeFile(crt, newCrt);
      await eventually('both halves', async () => daysLeft(await served()) < 101, 10_000);
      await writeFile(key, oldKey);
      await writeFile(crt, oldCrt);
      await eventually(
        'the old one',
        async () => (await served()).fingerprint256 === before.fingerprint256,
        10_000,
      );
    });
  });

  describe('BERTH_TLS=files', () => {
    let authority: Authority;
    let names: string[];
    /** As certbot keeps them: links, which are renamed over the old ones. */
    const live = (name: string) => path.join(gateway.folder, 'live', name);
    let version = 0;
    const put = async (certificate: string, key: string) => {
      version += 1;
      for (const [name, content] of [
        ['cert.pem', certificate],
        ['key.pem', key],
      ] as const) {
        const file = path.join(gateway.folder, 'archive', `${version}-${name}`);
        await writeFile(file, content);
        await symlink(`../archive/${version}-${name}`, live(`${name}.new`));
        await rename(live(`${name}.new`), live(name));
      }
    };
    const settings = () => ({
      BERTH_TLS: 'files',
      BERTH_TLS_CERT: live('cert.pem'),
      BERTH_TLS_KEY: live('key.pem'),
      BERTH_TLS_CA: authority.root,
    });

    beforeEach(async () => {
      for (const name of ['live', 'archive', 'ca']) await mkdir(path.join(gateway.folder, name));
      authority = await Authority.make(path.join(gateway.folder, 'ca'));
      names = [gateway.domain, `*.${gateway.domain}`];
    });

    it('takes new files within a look, leaves bad ones alone, says why, and takes good ones again', async () => {
      const [first, second] = [
        await authority.issue({ names }),
        await authority.issue({ names, kind: 'rsa' }),
      ];
      await put(first.chain, first.key);
      await gateway.certify(settings());
      await gateway.start({}, { BERTH_TLS: 'files' });
      keep(settings());
      const isServed = async (chain: string) =>
        (await served()).fingerprint256 === new X509Certificate(chain).fingerprint256;
      expect(await isServed(first.chain)).to.be.true;

      await put(second.chain, second.key);
      await eventually('the second pair is served', () => isServed(second.chain), 20_000);

      const other = await authority.issue({ names: ['example.org'] });
      await put(other.chain, other.key);
      await eventually('it is told', async () => log.includes(`is not for ${gateway.domain}`), 10_000);
      await new Promise((resolve) => setTimeout(resolve, 1000));
      expect(await isServed(second.chain)).to.be.true;
      expect(log.match(/is not for/g)).to.have.length(1);

      await put(first.chain, first.key);
      await eventually('the first pair is served again', () => isServed(first.chain), 20_000);
      await eventually('it is told', async () => log.includes('all is well again'));
    });
  });
});
