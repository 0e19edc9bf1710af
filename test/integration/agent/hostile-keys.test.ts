import { expect } from 'chai';
import { startSchemaOf } from '../../../api/routes/requests.js';
import { readApiSettings } from '../../../api/settings.js';
import { keysFor } from '../../../shared/s3/workspace-keys.js';
import type { SessionKeys } from '../../../shared/s3/sts.js';
import { ADMIN, endedToken, Seaweed } from '../../support/agent/seaweed.js';
import { signed, type Raw } from '../../support/agent/signed.js';

const FORM = (fields: Record<string, string>) => new URLSearchParams(fields).toString();
const ALL = JSON.stringify({
  Version: '2012-10-17',
  Statement: [{ Effect: 'Allow', Principal: '*', Action: 's3:*', Resource: ['arn:aws:s3:::*'] }],
});
/** Ways to a key outside, as a path below the bucket. */
const DETOURS = [
  ...['p/../q/far', 'p/..%2Fq%2Ffar', 'p/%2e%2e/q/far', 'p//../q/far', 'p/./../q/far', 'p/x/../../q/far'],
  // This server takes a backslash for a slash.
  ...['p/..%5Cq%5Cfar', 'p%5C..%5Cq%5Cfar', 'p/..%5C..%5Cother%5Cp%5Cown', 'p/..%2F..%2Fother%2Fp%2Fown'],
  ...['/q/far', '%2Fq/far', './q/far', 'p/%00/../q/far'],
];

/** What somebody tries who took an agent's keys, with requests that no client of ours makes. */
describe('Hostile requests with the S3 keys of one workspace', function () {
  this.timeout(60_000);
  const weed = new Seaweed();
  let keys: SessionKeys;
  let foreignUpload: string;
  let ownUpload: string;

  const as = (who: SessionKeys | typeof ADMIN | null, raw: Raw) => signed(weed.endpoint, who, raw);
  const attempt = (method: string, path: string, more: Partial<Raw> = {}) =>
    as(keys, { method, path, ...more });
  const uploadOf = (content: string) => /<UploadId>([^<]+)/.exec(content)?.[1] ?? expect.fail(content);
  const foreign = async () => {
    const found: string[] = [];
    for (const key of ['mine/pp/near', 'mine/q/far', 'mine/top', 'other/p/own'])
      found.push((await as(ADMIN, { method: 'GET', path: `/${key}` })).content);
    return found;
  };
  const untouched = ['secret pp/near', 'secret q/far', 'secret top', 'secret p/own'];

  before(async () => {
    await weed.start();
    for (const bucket of ['mine', 'other']) {
      await as(ADMIN, { method: 'PUT', path: `/${bucket}` });
      for (const key of ['p/own', 'pp/near', 'q/far', 'top'])
        await as(ADMIN, { method: 'PUT', path: `/${bucket}/${key}`, body: `secret ${key}` });
    }
    const settings = {
      ...{ BERTH_S3_ENDPOINT: '', BERTH_S3_BUNDLED_ENDPOINT: weed.endpoint, BERTH_S3_REGION: 'us-east-1' },
      ...{ BERTH_S3_ROLE_ARN: '', BERTH_S3_STS_ENDPOINT: '', BERTH_S3_SESSION: '1h' },
    };
    const place = { bucket: 'mine', prefix: 'p' };
    keys = (await keysFor('one', place, { settings, keys: ADMIN, createsBucket: true })) ?? expect.fail();
    foreignUpload = uploadOf((await as(ADMIN, { method: 'POST', path: '/mine/q/up?uploads' })).content);
    ownUpload = uploadOf((await attempt('POST', '/mine/p/up?uploads')).content);
  });
  after(() => weed.stop());
  afterEach('nothing outside was read or changed', async () =>
    expect(await foreign()).to.deep.equal(untouched),
  );

  it('are fair ones: the same are granted on the own prefix', async () => {
    expect((await attempt('GET', '/mine/p/own')).content).to.equal('secret p/own');
    expect((await attempt('PUT', '/mine/p/new', { body: 'x' })).status).to.equal(200);
    expect((await attempt('DELETE', '/mine/p/new')).status).to.equal(204);
    const source = { headers: { 'x-amz-copy-source': '/mine/p/own' } };
    expect((await attempt('PUT', '/mine/p/copy', source)).status).to.equal(200);
  });

  it('find no bucket: none is listed, looked at, made or removed', async () => {
    const { content } = await attempt('GET', '/');
    expect(content, 'a list of nothing').not.to.include('<Bucket>');
    for (const [method, path] of [
      ...[['PUT', '/fresh'] as const, ['DELETE', '/mine'] as const, ['DELETE', '/other'] as const],
      ...[['HEAD', '/other'] as const, ['GET', '/other?location'] as const],
    ])
      expect((await attempt(method, path)).status, `${method} ${path}`).to.equal(403);
  });

  it('get no list of anything outside', async () => {
    const queries = ['', 'list-type=2', 'list-type=2&prefix=p', 'list-type=2&prefix=q%2F', 'prefix=q%2F'];
    for (const query of [...queries, 'versions', 'uploads', 'uploads&prefix=q%2F', 'list-type=2&Prefix=p%2F'])
      expect((await attempt('GET', `/mine?${query}`)).status, query).to.equal(403);
    for (const prefix of ['p/../q/', 'p/../', 'p/..\\q', 'p/..\\..\\other\\']) {
      const { content } = await attempt('GET', `/mine?list-type=2&prefix=${encodeURIComponent(prefix)}`);
      expect(content, prefix).not.to.include('<Contents>');
    }
    const past = await attempt('GET', '/mine?list-type=2&prefix=p%2F&continuation-token=..%2Fq%2Ffa');
    expect(past.content).not.to.match(/far|near|top/);
  });

  for (const method of ['GET', 'PUT', 'DELETE'])
    it(`reach nothing outside on a detour: ${method}`, async () => {
      for (const detour of DETOURS) {
        const { status } = await attempt(method, `/mine/${detour}`, method === 'PUT' ? { body: 'evil' } : {});
        expect(status, detour).to.be.oneOf([400, 403, 404]);
      }
    });

  it('reach what differs in capitals only, so the API takes no capitals (and if this fails, it may)', async () => {
    await as(ADMIN, { method: 'PUT', path: '/mine/P/theirs', body: 'x' });
    expect((await attempt('GET', '/mine/P/theirs')).status, 'SeaweedFS 4.48 folds case').to.equal(200);
    expect((await attempt('GET', '/mine?list-type=2&prefix=P%2F')).status, 'but not in lists').to.equal(403);
    const own = { BERTH_S3_ENDPOINT: 'https://s3.example.com' };
    for (const [settings, taken] of [
      [{}, false],
      [own, true],
    ] as const) {
      const schema = startSchemaOf(readApiSettings({ ...settings }));
      const { success } = schema.safeParse({ bucketId: 'mine', prefix: 'P' });
      expect(success).to.equal(taken);
      expect(schema.safeParse({ bucketId: 'mine', prefix: 'p/q-1' }).success).to.equal(true);
    }
  });

  it('copy nothing from outside', async () => {
    const sources = ['/mine/q/far', '/other/p/own', 'other/p/own', '%2Fother%2Fp%2Fown', '/mine/p/../q/far'];
    for (const source of [
      ...sources,
      '/mine/p/..%5Cq%5Cfar',
      '/mine/../other/p/own',
      '/mine/p/%2e%2e/q/far',
    ]) {
      const from = { headers: { 'x-amz-copy-source': source } };
      const part = `/mine/p/up?partNumber=1&uploadId=${ownUpload}`;
      for (const path of ['/mine/p/stolen', part])
        expect((await attempt('PUT', path, from)).status, `${source} to ${path}`).to.be.oneOf([400, 403]);
    }
    expect((await as(ADMIN, { method: 'GET', path: '/mine/p/stolen' })).status).to.equal(404);
  });

  it("touch nobody else's upload, also when its id is known", async () => {
    const own = `/mine/p/up?uploadId=${foreignUpload}`;
    for (const [method, path] of [
      ...[['GET', own] as const, ['DELETE', own] as const],
      ['PUT', `/mine/p/up?partNumber=1&uploadId=${foreignUpload}`] as const,
      ['DELETE', `/mine/q/up?uploadId=${foreignUpload}`] as const,
    ])
      expect((await attempt(method, path)).status, `${method} ${path}`).to.be.oneOf([403, 404]);
    const kept = await as(ADMIN, { method: 'GET', path: `/mine/q/up?uploadId=${foreignUpload}` });
    expect(kept.status).to.equal(200);
  });

  it('remove nothing outside in a batch', async () => {
    for (const key of ['q/far', 'p/../q/far', 'p\\..\\q\\far', 'p//../q/far']) {
      const body = `<Delete><Object><Key>${key}</Key></Object></Delete>`;
      const { content } = await attempt('POST', '/mine?delete', { body });
      expect(content, key).to.include('<Error>').and.not.to.include('<Deleted>');
    }
  });

  it('change no rule of a bucket or an object', async () => {
    const rules = [
      'policy',
      'acl',
      'cors',
      'lifecycle',
      'tagging',
      'versioning',
      'encryption',
      'notification',
    ];
    for (const rule of [...rules, 'ownershipControls', 'publicAccessBlock', 'object-lock'])
      for (const method of ['GET', 'PUT', 'DELETE'])
        expect((await attempt(method, `/mine?${rule}`, { body: ALL })).status, `${method} ?${rule}`).to.equal(
          403,
        );
    for (const rule of ['acl', 'tagging', 'retention', 'legal-hold'])
      expect((await attempt('PUT', `/mine/q/far?${rule}`)).status, rule).to.equal(403);
  });

  it('learn and change nothing about users, keys and roles', async () => {
    const actions = ['ListUsers', 'GetUser', 'CreateUser', 'ListAccessKeys', 'CreateAccessKey', 'ListRoles'];
    const more = ['PutUserPolicy', 'GetUserPolicy', 'AttachUserPolicy', 'CreateRole', 'CreateServiceAccount'];
    const fields = { Version: '2010-05-08', UserName: 'admin', PolicyName: 'x', PolicyDocument: ALL };
    for (const Action of [...actions, ...more]) {
      const body = FORM({ Action, ...fields });
      expect((await attempt('POST', '/', { service: 'iam', body })).code, Action).to.equal('AccessDenied');
    }
  });

  it('get no other keys', async () => {
    const fields = {
      Version: '2011-06-15',
      RoleSessionName: 'wider',
      Name: 'wider',
      DurationSeconds: '3600',
    };
    const RoleArn = 'arn:aws:iam::role/Workspace';
    const WebIdentityToken = keys.sessionToken;
    for (const Action of [
      'AssumeRole',
      'GetFederationToken',
      'GetSessionToken',
      'AssumeRoleWithWebIdentity',
    ]) {
      const body = FORM({ Action, ...fields, RoleArn, WebIdentityToken });
      expect((await attempt('POST', '/', { service: 'sts', body })).code, Action).to.equal('AccessDenied');
    }
    const bearer = { Authorization: `Bearer ${keys.sessionToken}` };
    for (const path of ['/mine/p/own', '/mine/q/far'])
      expect((await as(null, { method: 'GET', path, headers: bearer })).status).to.equal(403);
  });

  it('need a token that the server signed, and that holds', async () => {
    const [header = '', claims = '', signature = ''] = keys.sessionToken.split('.');
    const wider = JSON.parse(Buffer.from(claims, 'base64url').toString()) as Record<string, unknown>;
    wider['spol'] = ALL;
    const payload = Buffer.from(JSON.stringify(wider)).toString('base64url');
    const none = Buffer.from('{"alg":"none","typ":"JWT"}').toString('base64url');
    const forged = [`${header}.${payload}.${signature}`, `${none}.${payload}.`, `${header}.${payload}.`, ''];
    for (const sessionToken of [...forged, await endedToken(keys.sessionToken)]) {
      const { code } = await as({ ...keys, sessionToken }, { method: 'GET', path: '/mine/p/own' });
      // By this code the agent knows that it has to ask for others.
      expect(code).to.equal('InvalidAccessKeyId');
    }
  });
});
