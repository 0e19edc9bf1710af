import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, stat, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect } from 'chai';
import { Authority } from '../support/gateway/authority.js';
import { expectFailure, expectSuccess, stageOfEachTest } from './support.js';

const DOMAIN = 'berth.example.com';
const NAMES = [DOMAIN, `*.${DOMAIN}`];

describe("make up and certificates that are not of Berth's own", function () {
  this.timeout(30_000);
  const stage = stageOfEachTest();
  let authority: Authority;
  const theirs = (...name: string[]) => stage().path('theirs', ...name);
  const inForce = (name: string) => readFile(path.join(stage().state, 'tls', name), 'utf8');
  const mode = async (...name: string[]) => (await stat(path.join(stage().state, ...name))).mode & 0o777;

  beforeEach(async () => {
    for (const name of ['theirs', 'ca', 'state/tls', 'state/secrets', 'state/acme'])
      await mkdir(stage().path(name), { recursive: true });
    authority = await Authority.make(stage().path('ca'));
  });

  describe('BERTH_TLS=files', () => {
    const settings = (more: Record<string, string> = {}) => ({
      BERTH_TLS: 'files',
      BERTH_DOMAIN: DOMAIN,
      BERTH_TLS_CERT: theirs('cert.pem'),
      BERTH_TLS_KEY: theirs('key.pem'),
      BERTH_TLS_CA: authority.root,
      ...more,
    });
    const take = (more?: Record<string, string>) => stage().script('tls.sh', settings(more));
    const put = async (certificate: string, key: string) => {
      await writeFile(theirs('cert.pem'), certificate);
      await writeFile(theirs('key.pem'), key, { mode: 0o600 });
    };

    for (const kind of ['ec', 'rsa'] as const) {
      it(`takes a good pair (${kind}), and makes no authority of its own`, async () => {
        const { chain, key } = await authority.issue({ names: NAMES, kind });
        await put(chain, key);
        expectSuccess(await take());
        expect([await inForce('tls.crt'), await inForce('tls.key')]).to.deep.equal([chain, key]);
        expect(await inForce('private-ca.crt')).to.equal(await readFile(authority.root, 'utf8'));
        expect(await mode('tls/tls.key')).to.equal(0o600);
        expect(existsSync(path.join(stage().state, 'tls/ca.crt'))).to.be.false;
      });
    }

    const bad: [string, () => Promise<[string, string]>, string | RegExp, RegExp][] = [
      [
        'of two pairs',
        async () => {
          const [one, other] = [
            await authority.issue({ names: NAMES }),
            await authority.issue({ names: NAMES }),
          ];
          return [one.chain, other.key];
        },
        /key\.pem is not the key of .*cert\.pem/,
        /made together/,
      ],
      [
        'that has expired',
        async () => {
          const { chain, key } = await authority.issue({ names: NAMES, days: -1 });
          return [chain, key];
        },
        /cert\.pem has expired \(/,
        /renew/,
      ],
      [
        'without the wildcard',
        async () => {
          const { chain, key } = await authority.issue({ names: [DOMAIN, `api.${DOMAIN}`] });
          return [chain, key];
        },
        `is not for *.${DOMAIN}`,
        /BERTH_DOMAIN/,
      ],
      [
        'of another domain',
        async () => {
          const { chain, key } = await authority.issue({ names: ['example.org', '*.example.org'] });
          return [chain, key];
        },
        `is not for ${DOMAIN}`,
        /BERTH_DOMAIN/,
      ],
      [
        'without its intermediate certificate',
        async () => {
          const { leaf, key } = await authority.issue({ names: NAMES });
          return [leaf, key];
        },
        /nobody vouches for .*cert\.pem: unable to get local issuer/,
        /fullchain\.pem.*BERTH_TLS_CA/,
      ],
      ['that is none', async () => ['no', 'no'], /cert\.pem is not a certificate in PEM form/, /fullchain/],
      [
        'whose key is none',
        async () => [(await authority.issue({ names: NAMES })).chain, 'no'],
        /key\.pem is not a private key in PEM form/,
        /privkey/,
      ],
    ];
    for (const [what, make, wrong, next] of bad) {
      it(`says what is wrong with a pair ${what}, and leaves the one in force`, async () => {
        const good = await authority.issue({ names: NAMES });
        await put(good.chain, good.key);
        expectSuccess(await take());
        await put(...(await make()));
        expectFailure(await take(), wrong, next);
        expect([await inForce('tls.crt'), await inForce('tls.key')]).to.deep.equal([good.chain, good.key]);
      });
    }

    it('does not take what only a private authority vouches for, unless that is named', async () => {
      const { chain, key } = await authority.issue({ names: NAMES });
      await put(chain, key);
      expectSuccess(await take());
      expectFailure(await take({ BERTH_TLS_CA: '' }), 'nobody vouches for', 'BERTH_TLS_CA');
      expect(existsSync(path.join(stage().state, 'tls/private-ca.crt')), 'gone with its setting').to.be.false;
      await writeFile(theirs('ca.pem'), 'no');
      expectFailure(
        await take({ BERTH_TLS_CA: theirs('ca.pem') }),
        'is not a certificate in PEM form',
        'authority',
      );
    });

    it('names a file that is not there', async () => {
      expectFailure(await take(), `BERTH_TLS_CERT=${theirs('cert.pem')} cannot be read`, 'BERTH_TLS_CERT');
      expectFailure(await take({ BERTH_TLS_CA: theirs('none') }), 'BERTH_TLS_CA=', 'BERTH_TLS_CA');
    });

    it('shows the service certs the folder that holds both files, and what they are links to', async () => {
      const folder = async (more: Record<string, string>) => {
        const answer = await stage().lines('config_load; certificate_folder', settings(more));
        return answer.status === 0 ? answer.stdout.trim() : answer.stderr;
      };
      expect(await folder({})).to.equal(theirs());
      for (const name of ['live/it', 'archive/it']) await mkdir(theirs(name), { recursive: true });
      await symlink('../../archive/it/cert1.pem', theirs('live/it/cert.pem'));
      await writeFile(theirs('archive/it/cert1.pem'), '');
      const certbot = {
        BERTH_TLS_CERT: theirs('live/it/cert.pem'),
        BERTH_TLS_KEY: theirs('live/it/key.pem'),
      };
      expect(await folder(certbot)).to.equal(theirs());
      await rename(theirs('archive'), theirs('live/archive'));
      expect(
        await folder({ BERTH_TLS_CERT: '/etc/ssl/certs/a.pem', BERTH_TLS_KEY: '/etc/ssl/private/a.key' }),
      ).to.equal('/etc/ssl');
      for (const [cert, key, common] of [
        ['/etc/a.pem', '/etc/ssl/a.key', '/etc'],
        ['/srv/a/a.pem', '/etc/a/a.key', '/'],
        ['/opt/berth/certs/a.pem', '/opt/berth/certs/a.key', '/opt/berth/certs'],
      ] as const) {
        const told = await folder({ BERTH_TLS_CERT: cert, BERTH_TLS_KEY: key });
        expect(told).to.contain(`have only ${common} in common`).and.contain('a folder of their own');
      }
    });

    it('goes back to the local authority when it is asked to, and forth', async () => {
      const { chain, key } = await authority.issue({ names: NAMES });
      await put(chain, key);
      expectSuccess(await take());
      expectSuccess(await take({ BERTH_TLS: 'local' }));
      expect(await inForce('tls.crt')).not.to.equal(chain);
      const ca = await inForce('ca.crt');
      expectSuccess(await take());
      expect(await inForce('tls.crt')).to.equal(chain);
      expectSuccess(await take({ BERTH_TLS: 'local' }));
      expect(await inForce('ca.crt'), 'nobody has to trust another one').to.equal(ca);
    });
  });

  describe('BERTH_TLS=acme', () => {
    const settings = { BERTH_TLS: 'acme', BERTH_DOMAIN: DOMAIN, BERTH_ACME_EMAIL: 'ops@example.com' };
    const prepare = (more: Record<string, string> = {}) => stage().script('tls.sh', { ...settings, ...more });
    const kept = (name: string) => path.join(stage().state, 'acme', name);

    it('hands the gateway what a DNS provider wants to know, and forgets it with the setting', async () => {
      await writeFile(theirs('dns.env'), '# token\nCF_DNS_API_TOKEN=a b=c\n');
      const dns = { BERTH_ACME_CHALLENGE: 'dns', BERTH_ACME_DNS_PROVIDER: 'cloudflare' };
      const files = { BERTH_ACME_DNS_ENV_FILE: theirs('dns.env'), BERTH_ACME_CA: authority.root };
      expectSuccess(await prepare({ ...dns, ...files }));
      expect(await readFile(kept('provider.env'), 'utf8')).to.contain('CF_DNS_API_TOKEN=a b=c\n');
      expect(await mode('acme/provider.env')).to.equal(0o600);
      expect(await readFile(kept('server-ca.crt'), 'utf8')).to.equal(await readFile(authority.root, 'utf8'));
      expectSuccess(await prepare(dns));
      expect([existsSync(kept('provider.env')), existsSync(kept('server-ca.crt'))]).to.deep.equal([
        false,
        false,
      ]);
      expect(existsSync(path.join(stage().state, 'tls/ca.crt'))).to.be.false;
    });

    it('says which lines of the file it cannot read', async () => {
      await writeFile(theirs('dns.env'), 'export A=b\n');
      const answer = await prepare({ BERTH_ACME_DNS_ENV_FILE: theirs('dns.env') });
      expectFailure(answer, 'has lines that are not KEY=VALUE', 'correct');
    });
  });

  describe('deploy.sh', () => {
    const deploy = async (settings: Record<string, string>) => {
      await stage().standIn(
        'docker',
        `case "$1" in image) echo sha256:1 ;; stack) env | sed -n 's/^/docker env /p' >>'${stage().path('calls')}' ;; esac`,
      );
      for (const name of ['s3.env', 'agent-token.key'])
        await writeFile(path.join(stage().state, 'secrets', name), '');
      expectSuccess(await stage().script('tls.sh', settings));
      expectSuccess(await stage().script('deploy.sh', settings));
      const calls = await stage().calls();
      const value = (name: string) =>
        calls.findLast((call) => call.startsWith(`docker env ${name}=`))?.split('=')[1];
      return { stack: calls.findLast((call) => call.includes('stack deploy')) ?? '', value };
    };

    it('brings the service certs with the key of the local authority', async () => {
      const { stack, value } = await deploy({ BERTH_DOMAIN: DOMAIN });
      expect(stack).to.contain('stack.certs.yaml');
      expect(value('BERTH_TLS_SOURCE')).to.equal(path.join(stage().state, 'secrets/ca.key'));
    });

    it('restarts nothing because the certificate was renewed', async () => {
      const first = (await deploy({ BERTH_DOMAIN: DOMAIN })).value('BERTH_TLS_REVISION');
      await writeFile(path.join(stage().state, 'tls/tls.crt'), '');
      expect((await deploy({ BERTH_DOMAIN: DOMAIN })).value('BERTH_TLS_REVISION')).to.equal(first);
      await writeFile(path.join(stage().state, 'tls/ca.crt'), '');
      expect((await deploy({ BERTH_DOMAIN: DOMAIN })).value('BERTH_TLS_REVISION')).not.to.equal(first);
    });

    it('brings no service certs where the gateway gets certificates itself', async () => {
      const acme = { BERTH_TLS: 'acme', BERTH_DOMAIN: DOMAIN, BERTH_ACME_EMAIL: 'ops@example.com' };
      expect((await deploy(acme)).stack).not.to.contain('stack.certs.yaml');
    });
  });
});
