import path from 'node:path';
import bcrypt from 'bcryptjs';
import { expect } from 'chai';
import { openKeyFile, type KeyEntry } from '../../../api/auth/key-file.js';
import { signAccess } from '../../../shared/access-token.js';
import type { Clock } from '../../../shared/clock.js';
import type { Desired } from '../../../shared/model/desired.js';
import { desired, observed, stopped } from '../../unit/api/fixtures.js';
import { askAccess } from './ask-access.js';
import { KEY, SECRET, TestApi, type Answer } from './support.js';

const AGENT_KEY = '5a'.repeat(32);
const HOST = 'one-code.berth.localhost';
const ORIGIN = `https://${HOST}`;
const PAGE = { Accept: 'text/html' };

describe('Access to the URLs of workspaces', () => {
  let api: TestApi;
  let now: number;
  const clock: Clock = { now: () => new Date(now), elapsedMs: () => now, after: () => () => {} };

  beforeEach(async () => {
    now = Date.parse('2026-02-03T04:05:06.000Z');
    api = await TestApi.start({ agentKey: () => Promise.resolve(AGENT_KEY), clock });
    await declare(desired('one'));
  });
  afterEach(() => api.stop());

  async function declare(value: Desired): Promise<void> {
    await api.records.desired.write(value.metadata.id, value);
    await api.records.observed.write(value.metadata.id, observed(value));
    // What was read is believed for a second.
    now += 1001;
  }
  const keys = (entries: Record<string, Partial<KeyEntry>>) => {
    const hash = bcrypt.hashSync(SECRET, 4);
    const full = Object.entries(entries).map(([id, entry]): [string, KeyEntry] => {
      return [id, { name: id, hash, createdAt: '2026-01-01T00:00:00.000Z', scope: 'admin', ...entry }];
    });
    return openKeyFile(path.join(api.stateDir, 'keys.yaml')).write({ keys: Object.fromEntries(full) });
  };

  const ask = (headers: Record<string, string> = {}, uri = '/', host = HOST) =>
    askAccess(api, { headers, uri, host });
  const view = async (authorization = `Bearer ${KEY}`) =>
    (await api.call('GET', '/api/containers/one', { authorization })).body;
  const linkTo = async (service: 'vnc' | 'code' | 'web', authorization?: string) => {
    const link = new URL((await view(authorization)).accessUrls?.[service] ?? 'none:');
    return `${link.pathname}${link.search}`;
  };
  const cookieOf = ({ headers }: Pick<Answer, 'headers'>) =>
    (headers.get('set-cookie') ?? '').split(';')[0] ?? '';
  const enter = async (authorization?: string) =>
    cookieOf(await ask(PAGE, await linkTo('code', authorization)));

  it('is nobody’s without a key, a link or a session: people are led to the form, programs refused', async () => {
    const page = await ask(PAGE, '/folder?x=1');
    const login = new URL(page.headers.get('location') ?? '');
    expect([page.status, login.origin + login.pathname]).to.deep.equal([
      302,
      'https://api.berth.localhost/login',
    ]);
    expect(login.searchParams.get('to')).to.equal(`${ORIGIN}/folder?x=1`);
    const program = await ask();
    expect([program.status, program.body.code]).to.deep.equal([401, 'BERTH_UNAUTHENTICATED']);
    // Nobody finds out what there is.
    const unknown = await ask({}, '/', 'two-code.berth.localhost');
    expect([unknown.status, unknown.body.detail]).to.deep.equal([401, program.body.detail]);
  });

  it('is had by a link, which turns into a session of this one host', async () => {
    const uri = await linkTo('code');
    const led = await ask(PAGE, `${uri}&folder=%2Fa`);
    expect([led.status, led.headers.get('location')]).to.deep.equal([302, `${ORIGIN}/?folder=%2Fa`]);
    const setCookie = led.headers.get('set-cookie') ?? '';
    expect(setCookie).to.match(
      /^__Host-berth=[^;]+; Path=\/; Secure; HttpOnly; SameSite=Lax; Max-Age=43200$/,
    );
    const Cookie = cookieOf(led);
    const passed = await ask({ Cookie: `mine=1; ${Cookie}` });
    expect([passed.status, passed.headers.get('cookie')]).to.deep.equal([200, 'mine=1']);
    expect((await ask({ Cookie }, '/', 'one-vnc.berth.localhost')).status, 'another host').to.equal(401);
    expect((await ask(PAGE, uri, 'one-vnc.berth.localhost')).headers.get('location')).to.contain('/login');
    expect(
      (await ask({ ...PAGE, Cookie }, '/', 'two-code.berth.localhost')).headers.get('location'),
    ).to.contain('/login');
  });

  it('ends with the link’s time, and with the session’s unless it is used', async () => {
    const uri = await linkTo('code');
    const Cookie = await enter();
    now += 11 * 60_000;
    expect((await ask(PAGE, uri)).headers.get('location'))
      .to.contain('/login')
      .and.not.to.contain('berth_token');
    expect((await ask({ Cookie })).headers.get('set-cookie')).to.equal(null);
    now += 7 * 3_600_000;
    const renewed = await ask({ Cookie });
    expect(renewed.status).to.equal(200);
    now += 6 * 3_600_000;
    expect((await ask({ Cookie })).status).to.equal(401);
    expect((await ask({ Cookie: cookieOf(renewed) })).status).to.equal(200);
  });

  it('ends with the workspace’s stop, and does not come back with the next start', async () => {
    const Cookie = await enter();
    const one = desired('one');
    await api.records.observed.write('one', stopped(one));
    await api.records.desired.write('one', { ...one, spec: { ...one.spec, state: 'stopped' } });
    now += 1001;
    expect((await ask({ Cookie })).status, 'stopped').to.equal(401);
    expect((await view()).accessUrls).to.equal(null);
    expect((await api.call('POST', '/api/containers/one/access')).body.code).to.equal('BERTH_NOT_RUNNING');
    const again = { ...one, metadata: { ...one.metadata, startRequestedAt: new Date(now).toISOString() } };
    await declare(again);
    expect((await ask({ Cookie })).status, 'started again').to.equal(401);
    expect((await ask({ Cookie: await enter() })).status).to.equal(200);
  });

  it('ends with a stop that an operator wrote into the file, also when he starts it again so', async () => {
    const Cookie = await enter();
    const one = desired('one');
    const lastStoppedAt = new Date(now).toISOString();
    await api.records.observed.write('one', { ...observed(one), lastStoppedAt });
    now += 1001;
    expect((await ask({ Cookie })).status).to.equal(401);
    expect((await ask({ Cookie: await enter() })).status).to.equal(200);
  });

  it('stays when the controller replaces a container', async () => {
    const Cookie = await enter();
    const one = desired('one');
    await api.records.observed.write('one', {
      ...observed(one),
      runId: 'run-2',
      acceptedAt: new Date(now).toISOString(),
    });
    now += 1001;
    expect((await ask({ Cookie })).status).to.equal(200);
  });

  it('ends when it is revoked, for all; new links open again', async () => {
    const [uri, Cookie] = [await linkTo('code'), await enter()];
    now += 1;
    expect((await api.call('DELETE', '/api/containers/one/access')).status).to.equal(200);
    now += 1;
    const soon = await api.call('POST', '/api/containers/one/access');
    now += 1001;
    expect((await ask({ Cookie })).status).to.equal(401);
    expect((await ask(PAGE, uri)).headers.get('location')).to.contain('/login');
    for (const { body } of [soon, await api.call('POST', '/api/containers/one/access')]) {
      const link = new URL((body as unknown as { urls: { code: string } }).urls.code);
      const answer = await ask(PAGE, `${link.pathname}${link.search}`);
      expect(answer.headers.get('set-cookie')).to.contain('__Host-berth');
    }
  });

  it('ends also for a session that was signed just after the revocation, from a link of before it', async () => {
    const uri = await linkTo('code');
    // What is on record is remembered for a second, and the link is used within it.
    await ask(PAGE, '/');
    expect((await api.call('DELETE', '/api/containers/one/access')).status).to.equal(200);
    now += 400;
    const Cookie = cookieOf(await ask(PAGE, uri));
    expect(Cookie, 'signed by what was remembered').to.contain('__Host-berth');
    now += 1001;
    expect((await ask({ Cookie })).status).to.equal(401);
  });

  it('stays ended when an edit of the file loses the revocation', async () => {
    const Cookie = await enter();
    const one = desired('one');
    now += 1;
    await api.records.observed.write('one', observed(one, { accessRevokedAt: new Date(now).toISOString() }));
    now += 1001;
    expect((await ask({ Cookie })).status).to.equal(401);
  });

  it('ends with the key on whose behalf it was', async () => {
    await keys({ temporary: { scope: 'write' } });
    const Cookie = await enter(`Bearer temporary_${SECRET}`);
    expect((await ask({ Cookie })).status).to.equal(200);
    await keys({ temporary: { scope: 'read' } });
    expect((await ask({ Cookie })).status, 'may only look now').to.equal(401);
    await keys({});
    expect((await ask({ Cookie })).status, 'withdrawn').to.equal(401);
  });

  it('is had by a key that may open the workspace, which the workspace does not see', async () => {
    await keys({ reader: { scope: 'read' }, others: { labels: { team: 'b' } }, writer: { scope: 'write' } });
    const status = async (key: string) => (await ask({ Authorization: `Bearer ${key}_${SECRET}` })).status;
    expect(await status('reader')).to.equal(401);
    expect(await status('others')).to.equal(401);
    expect(await status('nobody')).to.equal(401);
    const passed = await ask({ Authorization: `Bearer writer_${SECRET}` });
    expect([passed.status, passed.headers.get('authorization')]).to.deep.equal([200, null]);
    expect((await view(`Bearer reader_${SECRET}`)).accessUrls).to.equal(null);
    const Cookie = await enter();
    const foreign = await ask({ Cookie, Authorization: 'Basic dTpw' });
    expect([foreign.status, foreign.headers.get('authorization')]).to.deep.equal([200, 'Basic dTpw']);
  });

  it('is had by a program with a link as bearer', async () => {
    const token = new URL((await view()).accessUrls?.code ?? 'none:').searchParams.get('berth_token') ?? '';
    const passed = await ask({ Authorization: `Bearer ${token}` });
    expect([passed.status, passed.headers.get('authorization')]).to.deep.equal([200, null]);
    expect((await ask({ Authorization: `Bearer ${token}` }, '/', 'one-vnc.berth.localhost')).status).to.equal(
      401,
    );
  });

  it('shows the workspace no key of this Berth, whatever opened it, and the bearers of its own app', async () => {
    const one = desired('one');
    await declare({ ...one, spec: { ...one.spec, web: { public: true } } });
    const Cookie = await enter();
    const passedOn = async (Authorization: string, host = HOST) =>
      (await ask({ Cookie, Authorization }, '/', host)).headers.get('authorization');
    for (const host of [HOST, 'one-web.berth.localhost']) {
      expect(await passedOn(`Bearer ${KEY}`, host), host).to.equal(null);
      expect(await passedOn(`Bearer bktest_${'x'.repeat(20)}`, host), host).to.equal(null);
      expect(await passedOn('Bearer sk_0123456789abcdef0123', host), host).to.equal(
        'Bearer sk_0123456789abcdef0123',
      );
    }
  });

  it('leads nowhere else, whatever the path says, and keeps a used link from the workspace', async () => {
    const uri = await linkTo('code');
    const led = await ask(PAGE, `//evil.example${uri}`);
    expect(new URL(led.headers.get('location') ?? '').origin).to.equal(ORIGIN);
    const Cookie = await enter();
    const again = await ask({ ...PAGE, Cookie }, '/a?berth_token=old&b=1');
    expect([again.status, again.headers.get('location')]).to.deep.equal([302, `${ORIGIN}/a?b=1`]);
  });

  it('is not had by a page of another workspace, with the session of whoever looks at it', async () => {
    const Cookie = await enter();
    const Origin = 'https://two-web.berth.localhost';
    const socket = await ask({ Cookie, Origin, 'Sec-WebSocket-Version': '13' });
    expect([socket.status, socket.body.code]).to.deep.equal([403, 'BERTH_FORBIDDEN']);
    expect(
      (await ask({ Cookie, 'Sec-Fetch-Site': 'same-site', 'Sec-Fetch-Mode': 'no-cors' })).status,
    ).to.equal(403);
    expect((await ask({ Cookie, Origin: ORIGIN, 'Sec-WebSocket-Version': '13' })).status).to.equal(200);
  });

  it('is everybody’s where the app is public, but for the IDE and the desktop', async () => {
    const one = desired('one');
    await declare({ ...one, spec: { ...one.spec, web: { public: true } } });
    const web = await ask(
      { Cookie: 'a=1; __Host-berth=x', Origin: 'https://elsewhere.example' },
      '/',
      'one-web.berth.localhost',
    );
    expect([web.status, web.headers.get('cookie')]).to.deep.equal([200, 'a=1']);
    for (const service of ['code', 'vnc'])
      expect((await ask({}, '/', `one-${service}.berth.localhost`)).status).to.equal(401);
  });

  it('is the controller’s, for its checks of one workspace, also while that starts', async () => {
    const claims = { keyId: 'controller', workspaceId: 'one', service: 'code' as const, life: '-' };
    const token = await signAccess('probe', claims, { key: AGENT_KEY, now: new Date(now), seconds: 60 });
    const Authorization = `Bearer ${token}`;
    const passed = await ask({ Authorization });
    expect([passed.status, passed.headers.get('authorization')]).to.deep.equal([200, null]);
    expect((await ask({ Authorization }, '/', 'two-code.berth.localhost')).status).to.equal(401);
    now += 61_000;
    expect((await ask({ Authorization })).status).to.equal(401);
    const other = await signAccess('probe', claims, {
      key: '6b'.repeat(32),
      now: new Date(now),
      seconds: 60,
    });
    expect((await ask({ Authorization: `Bearer ${other}` })).status).to.equal(401);
  });

  it('no token passes for one of another kind', async () => {
    const claims = { keyId: 'bktest', workspaceId: 'one', service: 'code' as const, life: 'x' };
    for (const kind of ['link', 'probe'] as const) {
      const token = await signAccess(kind, claims, { key: AGENT_KEY, now: new Date(now), seconds: 60 });
      expect((await ask({ Cookie: `__Host-berth=${token}` })).status, kind).to.equal(401);
    }
  });

  it('a view’s ETag does not change with the links in it', async () => {
    const first = await api.call('GET', '/api/containers/one');
    now += 5000;
    const second = await api.call('GET', '/api/containers/one');
    expect(second.body.accessUrls).not.to.deep.equal(first.body.accessUrls);
    expect(second.headers.get('etag')).to.equal(first.headers.get('etag'));
    // But it does before they expire, so that nobody keeps links that open nothing.
    now += 300_000;
    const third = await api.call('GET', '/api/containers/one');
    expect(third.headers.get('etag')).not.to.equal(first.headers.get('etag'));
    const list = await api.call('GET', '/api/containers');
    expect(list.body.items?.map(({ accessUrls }) => accessUrls)).to.deep.equal([null]);
  });

  describe('by the form', () => {
    const to = `${ORIGIN}/folder?x=1`;
    const send = (fields: Record<string, string>, headers: Record<string, string> = {}) =>
      api.call('POST', '/login', {
        authorization: null,
        redirect: 'manual',
        raw: new URLSearchParams(fields).toString(),
        headers: { 'Content-Type': 'application/x-www-form-urlencoded', ...headers },
      });

    it('leads on to the workspace, by a link', async () => {
      const form = await api.call('GET', `/login?to=${encodeURIComponent(to)}`, { authorization: null });
      expect(form.status).to.equal(200);
      expect(form.text).to.contain(`value="${to}"`).and.to.contain('action="/login"');
      expect(form.headers.get('content-security-policy')).to.contain("default-src 'none'");
      const led = await send({ to, key: KEY }, { Origin: 'https://api.berth.localhost' });
      const link = new URL(led.headers.get('location') ?? '');
      expect([led.status, link.origin, link.searchParams.get('x')]).to.deep.equal([303, ORIGIN, '1']);
      const entered = await ask(PAGE, `${link.pathname}${link.search}`);
      expect(entered.headers.get('location')).to.equal(to);
      expect((await ask({ Cookie: cookieOf(entered) })).status).to.equal(200);
    });

    it('says what is wrong, and repeats no key', async () => {
      const wrong = await send({ to, key: `${KEY}x` });
      expect([wrong.status, wrong.headers.get('content-type')]).to.deep.equal([
        401,
        'text/html; charset=utf-8',
      ]);
      expect(wrong.text).to.contain('not valid').and.not.to.contain(KEY);
      const unknown = await send({ to: 'https://two-code.berth.localhost/', key: KEY });
      expect([unknown.status, unknown.headers.get('set-cookie')]).to.deep.equal([403, null]);
      expect((await send({ to, key: KEY }, { Origin: 'https://two-web.berth.localhost' })).status).to.equal(
        403,
      );
    });

    const elsewhere = [
      'https://evil.example/',
      'https://one-code.berth.localhost.evil.example/',
      'https://one-code.berth.localhost@evil.example/',
      'https://user:pass@one-code.berth.localhost/',
      'https://one-code.berth.localhost:444/',
      'http://one-code.berth.localhost/',
      '//evil.example/',
      'javascript:alert(1)',
      'https://api.berth.localhost/',
    ];
    for (const target of elsewhere) {
      it(`does not lead to ${target}`, async () => {
        const query = `/login?to=${encodeURIComponent(target)}`;
        expect((await api.call('GET', query, { authorization: null })).status).to.equal(400);
        expect((await send({ to: target, key: KEY })).status).to.equal(400);
      });
    }
  });
});
