import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import { readSettings } from '../../../shared/config.js';
import { collect } from '../../../shared/s3/collect.js';
import { S3Error } from '../../../shared/s3/s3-error.js';
import { keysFor, sessionSettings } from '../../../shared/s3/workspace-keys.js';

const ADMIN = { accessKeyId: 'id', secretAccessKey: 'no' };
const GRANTED = `<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>a</AccessKeyId>
  <SecretAccessKey>1e3</SecretAccessKey><SessionToken>t</SessionToken><Expiration>2026-01-02T03:04:05Z</Expiration>
  </Credentials></AssumeRoleResult></AssumeRoleResponse>`;

describe('Keys of a session', () => {
  let server: Server;
  let answer: [status: number, body: string];
  let asked: URLSearchParams;
  let endpoint: string;

  beforeEach(async () => {
    server = createServer((request, response) => {
      void collect(request).then((body) => {
        asked = new URLSearchParams(body.toString());
        response.writeHead(answer[0]).end(answer[1]);
      });
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    answer = [200, GRANTED];
  });
  afterEach(() => server.close());

  const ask = (id: string, BERTH_S3_ROLE_ARN = 'arn:aws:iam::1:role/R') =>
    keysFor(
      id,
      { bucket: 'b', prefix: 'p' },
      {
        settings: {
          ...{ BERTH_S3_ENDPOINT: endpoint, BERTH_S3_BUNDLED_ENDPOINT: '', BERTH_S3_REGION: 'us-east-1' },
          ...{ BERTH_S3_ROLE_ARN, BERTH_S3_STS_ENDPOINT: '', BERTH_S3_SESSION: '1h' },
        },
        ...{ keys: ADMIN, createsBucket: false },
      },
    );
  const failureOf = async (work: Promise<unknown>) =>
    work.then(
      () => expect.fail('it went well'),
      (error: unknown) => error as S3Error,
    );

  it('are what the service gives', async () => {
    expect(await ask('one')).to.deep.equal({
      ...{ accessKeyId: 'a', secretAccessKey: '1e3', sessionToken: 't' },
      expiresAt: '2026-01-02T03:04:05.000Z',
    });
    expect(asked.get('DurationSeconds')).to.equal('3600');
  });

  it('are had for a workspace with a name of one letter, and with the longest', async () => {
    // Services take names of 2 to 64 letters for a session.
    for (const id of ['a', 'a'.repeat(40)]) {
      await ask(id);
      expect(asked.get('RoleSessionName')).to.equal(`berth-${id}`).and.have.length.within(2, 64);
    }
  });

  it('are for the partition of AWS that the role is in', async () => {
    await ask('one', 'arn:aws-cn:iam::1:role/R');
    const resources = asked.get('Policy')?.match(/arn:[^"]*/g);
    expect(resources).to.deep.equal(['arn:aws-cn:s3:::b', 'arn:aws-cn:s3:::b/p/*']);
  });

  for (const [form, body] of [
    ['STS', '<ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>'],
    ['S3', '<Error><Code>AccessDenied</Code><Message>no</Message></Error>'],
  ] as const)
    it(`are refused with the code of the service, told as ${form} tells it`, async () => {
      answer = [403, body];
      const error = await failureOf(ask('one'));
      expect(error).to.be.instanceOf(S3Error).and.to.include({ kind: 'bucket', s3Code: 'AccessDenied' });
    });

  for (const [length, good] of [
    ['15m', true],
    ['12h', true],
    ['899s', false],
    ['13h', false],
    ['1d', false],
  ] as const)
    it(`hold for ${length}: ${good ? 'yes' : 'no service gives that'}`, () => {
      const read = () => readSettings(sessionSettings, { BERTH_S3_SESSION: length });
      if (good) expect(read().BERTH_S3_SESSION).to.equal(length);
      else expect(read).to.throw('BERTH_S3_SESSION');
    });
});
