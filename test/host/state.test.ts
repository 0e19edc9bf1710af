import { X509Certificate } from 'node:crypto';
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect } from 'chai';
import { expectFailure, expectSuccess, stageOfEachTest } from './support.js';

describe('make up and the state folder', function () {
  this.timeout(30_000);
  const stage = stageOfEachTest();
  const read = (...name: string[]) => readFile(path.join(stage().state, ...name), 'utf8');
  const mode = async (...name: string[]) => (await stat(path.join(stage().state, ...name))).mode & 0o777;

  describe('state.sh', () => {
    const make = async (settings: Record<string, string> = {}) => {
      const answer = await stage().script('state.sh', settings);
      expectSuccess(answer);
      return answer;
    };

    it('makes secrets that only root can read', async () => {
      expect((await make()).stderr).to.match(/ made$/m);
      expect(await readdir(path.join(stage().state, 'secrets'))).to.have.members([
        'agent-token.key',
        's3-iam.json',
        's3.env',
        's3.json',
      ]);
      for (const name of await readdir(path.join(stage().state, 'secrets'))) {
        expect(await mode('secrets', name), name).to.equal(0o600);
      }
      expect(await mode('secrets')).to.equal(0o700);
      expect(await mode('s3')).to.equal(0o700);
      for (const name of ['desired', 'observed', 'reports', 'audit']) {
        expect(await mode(name), name).to.equal(0o750);
      }
      expect(await read('secrets/agent-token.key')).to.match(/^[0-9a-f]{64}\n$/);
      const [, id, secret] = /^AWS_ACCESS_KEY_ID=(\w+)\nAWS_SECRET_ACCESS_KEY=(\w+)\n$/.exec(
        await read('secrets/s3.env'),
      ) ?? ['', '', ''];
      const server = JSON.parse(await read('secrets/s3.json')) as { identities: { credentials: unknown }[] };
      expect(server.identities[0]?.credentials).to.deep.equal([{ accessKey: id, secretKey: secret }]);
    });

    it('never replaces them', async () => {
      const contents = async () =>
        Promise.all(
          ['agent-token.key', 's3-iam.json', 's3.env', 's3.json'].map((name) => read('secrets', name)),
        );
      await make();
      const before = await contents();
      expect((await make()).stderr).to.match(/ there$/m);
      expect(await contents()).to.deep.equal(before);
    });

    it('gives every Berth secrets of its own', async () => {
      await make();
      const one = await read('secrets/s3.env');
      await make({ BERTH_STATE_DIR: stage().path('state', 'other') });
      expect(await read('other/secrets/s3.env')).not.to.equal(one);
    });

    const external = { BERTH_S3_ENDPOINT: 'https://s3.example.com' };
    const keys = { AWS_ACCESS_KEY_ID: 'id', AWS_SECRET_ACCESS_KEY: 'a b$c' };

    it('says that an S3 service of your own needs keys, and where they go', async () => {
      const halves: Record<string, string>[] = [
        {},
        { AWS_ACCESS_KEY_ID: 'id' },
        { AWS_SECRET_ACCESS_KEY: 'x' },
      ];
      for (const half of halves) {
        const answer = await stage().script('state.sh', { ...external, ...half });
        const next = /AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY into \.env.*make up again/;
        expectFailure(answer, 'there are no keys for https://s3.example.com', next);
      }
    });

    it("does not take the bundled server's keys for those of another", async () => {
      await make();
      const answer = await stage().script('state.sh', external);
      expectFailure(answer, 'there are no keys for https://s3.example.com', /make up again/);
    });

    it('copies these keys, from the environment or .env, and keeps them', async () => {
      await make({ ...external, ...keys });
      const wanted = 'AWS_ACCESS_KEY_ID=id\nAWS_SECRET_ACCESS_KEY=a b$c\n';
      expect(await read('secrets/s3.env')).to.equal(wanted);
      expect(await mode('secrets/s3.env')).to.equal(0o600);
      await make(external);
      expect(await read('secrets/s3.env')).to.equal(wanted);
      const BERTH_ENV_FILE = stage().path('.env');
      await writeFile(BERTH_ENV_FILE, 'AWS_ACCESS_KEY_ID=new\nAWS_SECRET_ACCESS_KEY="newer"\n');
      await make({ ...external, BERTH_ENV_FILE });
      expect(await read('secrets/s3.env')).to.equal('AWS_ACCESS_KEY_ID=new\nAWS_SECRET_ACCESS_KEY=newer\n');
    });
  });

  describe('tls.sh', () => {
    const domain = 'berth.example.com';
    const certify = async (BERTH_DOMAIN = domain) => {
      const answer = await stage().script('tls.sh', { BERTH_DOMAIN });
      expectSuccess(answer);
      const [ca, leaf] = await Promise.all([read('tls/ca.crt'), read('tls/tls.crt')]);
      return { ca: new X509Certificate(ca), leaf: new X509Certificate(leaf) };
    };

    beforeEach(async () => {
      for (const name of ['tls', 'secrets']) await mkdir(path.join(stage().state, name), { recursive: true });
    });

    it('makes a certificate for the domain and all below it, which its CA vouches for', async () => {
      const { ca, leaf } = await certify();
      expect(ca.ca).to.be.true;
      expect(leaf.ca).to.be.false;
      expect(ca.verify(ca.publicKey)).to.be.true;
      expect(leaf.checkIssued(ca) && leaf.verify(ca.publicKey)).to.be.true;
      for (const name of [domain, `api.${domain}`, `demo-code.${domain}`]) {
        expect(leaf.checkHost(name), name).not.to.be.undefined;
      }
      for (const name of ['example.com', `a.b.${domain}`, 'berth.example.org']) {
        expect(leaf.checkHost(name), name).to.be.undefined;
      }
      // Browsers refuse certificates that are valid for longer than 398 days.
      const days = (Date.parse(leaf.validTo) - Date.parse(leaf.validFrom)) / 86_400_000;
      expect(days).to.be.within(90, 398);
      for (const key of ['secrets/ca.key', 'tls/tls.key']) expect(await mode(key), key).to.equal(0o600);
    });

    it('keeps a certificate that is good', async () => {
      const first = await certify();
      const second = await certify();
      expect(second.ca.fingerprint256).to.equal(first.ca.fingerprint256);
      expect(second.leaf.fingerprint256).to.equal(first.leaf.fingerprint256);
    });

    it('makes another one for another domain, by the same CA', async () => {
      const first = await certify();
      const second = await certify('other.example.com');
      expect(second.ca.fingerprint256).to.equal(first.ca.fingerprint256);
      expect(second.leaf.verify(first.ca.publicKey)).to.be.true;
      expect(second.leaf.checkHost('api.other.example.com')).not.to.be.undefined;
      expect(second.leaf.checkHost(`api.${domain}`)).to.be.undefined;
    });

    it('makes another one when the CA is another one', async () => {
      const first = await certify();
      await writeFile(path.join(stage().state, 'tls/ca.crt'), '');
      const second = await certify();
      expect(second.ca.fingerprint256).not.to.equal(first.ca.fingerprint256);
      expect(second.leaf.verify(second.ca.publicKey)).to.be.true;
    });

    it('takes a domain as long as names may be', async () => {
      const long = `${'a'.repeat(60)}.${'b'.repeat(60)}.example.com`;
      expect((await certify(long)).leaf.checkHost(`api.${long}`)).not.to.be.undefined;
    });

    it("says that the CA's key is none of its own", async () => {
      await certify();
      await writeFile(path.join(stage().state, 'secrets/ca.key'), 'not a key\n');
      const answer = await stage().script('tls.sh', { BERTH_DOMAIN: 'other.example.com' });
      expectFailure(answer, 'openssl could not sign the certificate', stage().path('state/secrets/ca.key'));
    });
  });
});
