import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect } from 'chai';
import { expectFailure, expectSuccess, fileOfCheckout, stageOfEachTest } from './support.js';

describe('Settings of make up', function () {
  this.timeout(30_000);
  const stage = stageOfEachTest();

  const load = async (file: string, environment: Record<string, string> = {}, more = '') => {
    const BERTH_ENV_FILE = stage().path('.env');
    await writeFile(BERTH_ENV_FILE, file);
    return stage().lines(`${more}\nconfig_load\nenv -0`, { BERTH_ENV_FILE, ...environment });
  };
  /** What the programs and the stack find in their environment. */
  const settings = async (...args: Parameters<typeof load>): Promise<Record<string, string>> => {
    const answer = await load(...args);
    expectSuccess(answer);
    const pairs = answer.stdout.split('\0').map((pair) => /^([^=]*)=([^]*)$/.exec(pair) ?? []);
    return Object.fromEntries(pairs.map(([, name = '', value = '']) => [name, value]));
  };

  describe('.env', () => {
    it('is read line by line, whatever its style', async () => {
      const lines = ['# a comment', '', '  # another', '   BERTH_STACK=one', 'BERTH_S3_REGION=a=b'];
      const found = await settings([...lines, 'BERTH_IMAGE_TAG=last'].join('\n'));
      expect(found).to.include({ BERTH_STACK: 'one', BERTH_S3_REGION: 'a=b', BERTH_IMAGE_TAG: 'last' });
    });

    it('may quote its values, and may come from Windows', async () => {
      const found = await settings(
        'BERTH_STACK="one"\r\nBERTH_IMAGE_TAG=\'two\'\r\n\r\nBERTH_S3_REGION=three\r\nAWS_SECRET_ACCESS_KEY="a b#c"  \n',
      );
      expect(found).to.include({ BERTH_STACK: 'one', BERTH_IMAGE_TAG: 'two', BERTH_S3_REGION: 'three' });
      expect(found).to.include({ AWS_SECRET_ACCESS_KEY: 'a b#c' });
    });

    it('gives way to the environment', async () => {
      const file = 'BERTH_STACK=file\nBERTH_IMAGE_TAG=file\nBERTH_S3_ENDPOINT=https://s3.example.com\n';
      const found = await settings(file, { BERTH_STACK: 'environment', BERTH_S3_ENDPOINT: '' });
      expect(found).to.include({
        BERTH_STACK: 'environment',
        BERTH_IMAGE_TAG: 'file',
        BERTH_S3_ENDPOINT: '',
      });
    });

    it('is never executed', async () => {
      const trace = stage().path('trace');
      const value = `$(touch ${trace})\`touch ${trace}\`;touch ${trace}`;
      const found = await settings(`X=${value}\nY="${value}"\n`);
      expect(found).to.include({ X: value, Y: value });
      const answer = await load(
        `BERTH_HTTP_PORT=a[$(touch ${trace})]\nBERTH_ADDRESS_POOL=$(touch ${trace})\n`,
      );
      expectFailure(answer, 'BERTH_ADDRESS_POOL', 'BERTH_ADDRESS_POOL');
      expectFailure(
        await load(`BERTH_HTTP_PORT=a[$(touch ${trace})]\n`),
        'BERTH_HTTP_PORT',
        'BERTH_HTTP_PORT',
      );
      expect(existsSync(trace)).to.be.false;
    });

    for (const line of [
      'BERTH_STACK',
      'export BERTH_STACK=one',
      'berth_stack=one',
      'BERTH_STACK = one',
      '=one',
    ]) {
      it(`has the number of the line “${line}” told, which is none`, async () => {
        const answer = await load(`# first\nBERTH_STACK=one\n\n${line}\n`);
        expectFailure(answer, '.env line 4 is not KEY=VALUE', '.env.example');
      });
    }

    it('has to be there where it is named', async () => {
      const answer = await stage().lines('config_load', { BERTH_ENV_FILE: stage().path('none') });
      expectFailure(
        answer,
        `BERTH_ENV_FILE names ${stage().path('none')}, which is not there`,
        'correct the path',
      );
    });

    it('is found from where the command was given, wherever it goes then', async () => {
      const lines = 'cd /tmp && config_load && echo "$BERTH_STACK"';
      const file = stage().path('second.env');
      await writeFile(file, 'BERTH_STACK=second\n');
      const answer = await stage().lines(lines, {
        BERTH_ENV_FILE: path.relative(stage().path('manifests/host'), file),
      });
      expectSuccess(answer);
      expect(answer.stdout).to.equal('second\n');
    });
  });

  const wrong: [string, string[]][] = [
    [
      'BERTH_DOMAIN',
      ['localhost', '.localhost', 'a..b', 'Berth.localhost', 'a_b.example.com', '-a.example.com'],
    ],
    ['BERTH_STACK', ['Berth', '1berth', 'abcdefghijklmnop', 'a_b']],
    ['BERTH_STATE_DIR', ['/', 'state', '/a b', '/var/lib/']],
    [
      'BERTH_ADDRESS_POOL',
      ['10.201.0.0', '10.201.0.0/24', '10.201/16', '300.1.0.0/16', '10.201.0.0/7', '.../16'],
    ],
    ['BERTH_IMAGE_TAG', ['.a', 'a/b', 'a:b']],
    ['BERTH_S3_ENDPOINT', ['s3.example.com', 'ftp://s3.example.com', 'https://']],
    ['BERTH_S3_CREATE_BUCKETS', ['yes', 'truely', 'nofalse']],
    ['BERTH_S3_ROLE_ARN', ['Workspace', 'arn:a b']],
    ['BERTH_S3_STS_ENDPOINT', ['sts.example.com']],
    // No service gives such sessions.
    ['BERTH_S3_SESSION', ['3600', '14m', '899s', '13h', '1d', '0m']],
    ['BERTH_LOG_LEVEL', ['verbose', 'DEBUG', 'information']],
    ['BERTH_HTTP_PORT', ['0', '65536', '080', 'http', '80 # web', '-1']],
    ['BERTH_HTTPS_PORT', ['99999', '4 3']],
    ['BERTH_SYNC_INTERVAL', ['0', '1.5', '15s']],
    ['BERTH_START_DEADLINE', ['-5']],
    ['BERTH_STOP_DEADLINE', ['ten']],
    ['BERTH_STOP_GRACE', ['1000000']],
    ['BERTH_TLS', ['acme2', 'LOCAL', 'none']],
    ['BERTH_TLS_CERT', ['cert.pem', '/a b', "/a'b"]],
    ['BERTH_ACME_SERVER', ['http://acme.example.com', 'letsencrypt']],
    ['BERTH_ACME_EMAIL', ['me', 'a b@example.com']],
    ['BERTH_ACME_CHALLENGE', ['dns-01', 'https']],
    ['BERTH_ACME_DNS_PROVIDER', ['Cloudflare', 'a b']],
    ['BERTH_DEFAULT_IMAGE', ['berth/other', 'berth/work']],
  ];
  for (const [name, values] of wrong) {
    it(`names ${name} and its value when it is wrong`, async () => {
      for (const value of values) {
        const answer = await load('', { [name]: value });
        expectFailure(
          answer,
          new RegExp(`^${name}='?${value.replace(/[^\w -]/g, '\\$&')}'? is not `),
          '.env',
        );
      }
    });
  }

  it('wants two ports', async () => {
    const answer = await load('BERTH_HTTP_PORT=8443\nBERTH_HTTPS_PORT=8443\n');
    expectFailure(answer, 'BERTH_HTTP_PORT and BERTH_HTTPS_PORT are the same', 'different ports');
  });

  it('says which setting another one needs', async () => {
    const acme = 'BERTH_TLS=acme\nBERTH_DOMAIN=berth.example.com\n';
    for (const [file, wrong] of [
      ['BERTH_TLS=files\n', 'BERTH_TLS=files needs BERTH_TLS_CERT'],
      ['BERTH_TLS=files\nBERTH_TLS_CERT=/a/b\n', 'BERTH_TLS=files needs BERTH_TLS_KEY'],
      [acme, 'BERTH_TLS=acme needs BERTH_ACME_EMAIL'],
      [
        `${acme}BERTH_ACME_EMAIL=a@b.c\nBERTH_ACME_CHALLENGE=dns\n`,
        'BERTH_ACME_CHALLENGE=dns needs BERTH_ACME_DNS_PROVIDER',
      ],
    ] as const) {
      expectFailure(await load(file), wrong, '.env');
    }
    const local = await load('BERTH_TLS=acme\nBERTH_ACME_EMAIL=a@b.c\n');
    expectFailure(local, 'no public authority issues certificates for BERTH_DOMAIN=berth.localhost', 'local');
  });

  it('concludes the other values from them', async () => {
    expect(await settings('')).to.include({
      BERTH_CONTROL_SUBNET: '10.201.0.0/24',
      BERTH_PORT_SUFFIX: '',
      BERTH_S3_CREATE_BUCKETS: 'true',
    });
    const other = {
      BERTH_ADDRESS_POOL: '192.168.64.0/20',
      BERTH_HTTPS_PORT: '8443',
      BERTH_S3_ENDPOINT: 'http://s3:9000',
    };
    expect(await settings('', other)).to.include({
      BERTH_CONTROL_SUBNET: '192.168.64.0/24',
      BERTH_PORT_SUFFIX: ':8443',
      BERTH_S3_CREATE_BUCKETS: 'false',
    });
    expect(await settings('', { ...other, BERTH_S3_CREATE_BUCKETS: 'true' })).to.include({
      BERTH_S3_CREATE_BUCKETS: 'true',
    });
  });

  /** No user has a reason to set it. */
  const FOR_TESTS = 'BERTH_PROC_DIR=/proc';

  describe('.env.example', () => {
    const example = async () => {
      const lines = (await fileOfCheckout('.env.example')).split('\n');
      return lines.flatMap((line) => (/^#?[A-Z_]+[A-Z0-9_]*=/.test(line) ? [line.replace(/^#/, '')] : []));
    };

    it('shows every setting with its default, and no others but the S3 keys', async () => {
      const answer = await stage().lines(`printf '%s\\n' "\${config_defaults[@]}"`);
      const defaults = answer.stdout.trimEnd().split('\n');
      expect(defaults).to.include('BERTH_DOMAIN=berth.localhost');
      const keys = ['AWS_ACCESS_KEY_ID=', 'AWS_SECRET_ACCESS_KEY='];
      const ofUsers = defaults.filter((line) => line !== FOR_TESTS);
      expect(await example()).to.have.members([...ofUsers, ...keys]);
    });

    it('means the same whether its lines are there or not', async () => {
      const none = await settings('', {}, 'unset BERTH_STATE_DIR');
      const all = await settings((await example()).join('\n'), {}, 'unset BERTH_STATE_DIR');
      expect(all).to.deep.equal({ ...none, AWS_ACCESS_KEY_ID: '', AWS_SECRET_ACCESS_KEY: '' });
      expect(all['BERTH_STATE_DIR']).to.equal('/var/lib/berth');
    });
  });
});
