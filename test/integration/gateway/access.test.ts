import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type http from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';
import { expect } from 'chai';
import WebSocket from 'ws';
import { readApiSettings } from '../../../api/settings.js';
import type { ServiceName } from '../../../shared/model/urls.js';
import { Backend } from '../../support/gateway/backend.js';
import { Gateway } from '../../support/gateway/gateway.js';
import { eventually } from '../../support/swarm.js';
import { desired, observed } from '../../unit/api/fixtures.js';
import { KEY, TestApi } from '../api/support.js';

/** Further than a session's half, so that it is renewed. */
const LATER_MS = 7 * 3_600_000;
const PAGE = { Accept: 'text/html' };

type Headers = Record<string, string | string[]>;

/** What depends on how Traefik asks, and on what it makes of the answer: it and the API are the real ones. */
describe('The gateway and the API, about access', function () {
  this.timeout(120_000);
  const gateway = new Gateway();
  /** A workspace's services: they tell what they were sent. */
  const workspace = new Backend((request, response) => {
    response.setHeader('Set-Cookie', 'app=1');
    response.end(JSON.stringify({ url: request.url, headers: request.headers }));
  });
  let api: TestApi;
  let now = Date.now();
  let ca: Buffer;

  before(async () => {
    await workspace.start();
    for (const id of ['one', 'two']) gateway.route(id, workspace.address);
    await gateway.certify();
    await gateway.choosePorts();
    api = await TestApi.start({
      agentKey: () => Promise.resolve('5a'.repeat(32)),
      clock: { now: () => new Date(now), elapsedMs: () => now, after: () => () => {} },
      settings: readApiSettings({
        BERTH_DOMAIN: gateway.domain,
        BERTH_HTTPS_PORT: String(gateway.httpsPort),
        BERTH_AUTH_FAILURES_PER_MINUTE: '0',
      }),
    });
    for (const id of ['one', 'two']) {
      await api.records.desired.write(id, desired(id));
      await api.records.observed.write(id, observed(desired(id)));
    }
    await gateway.start({ 'http://api:8080': api.url, 'http://controller:9095': workspace.url });
    ca = readFileSync(gateway.state('tls/ca.crt'));
    for (const name of ['one-code', 'two-web'])
      await eventually(
        'the routes are there',
        async () => (await ask(name, '/', { Authorization: `Bearer ${KEY}` })).status === 200,
      );
  });
  after(async () => {
    await gateway.remove();
    workspace.stop();
    await api.stop();
  });

  const hostOf = (name: string) => `${name}.${gateway.domain}:${gateway.httpsPort}`;
  const originOf = (name: string) => `https://${hostOf(name)}`;

  async function ask(name: string, path: string, headers: Headers = {}, method = 'GET') {
    const request = https.request({
      ...{ host: '127.0.0.1', port: gateway.httpsPort, ca, servername: `${name}.${gateway.domain}` },
      ...{ path, method, agent: false, headers: { Host: hostOf(name), ...headers } },
    });
    request.end();
    const [response] = (await once(request, 'response')) as [http.IncomingMessage];
    let text = '';
    for await (const piece of response) text += String(piece);
    const isEcho = response.statusCode === 200 && text.startsWith('{"url"');
    const seen = isEcho ? (JSON.parse(text) as { headers: http.IncomingHttpHeaders }).headers : null;
    return { status: response.statusCode, headers: response.headers, seen };
  }

  const linkTo = async (service: ServiceName) => {
    const { body } = await api.call('GET', '/api/containers/one');
    const { pathname, search } = new URL(body.accessUrls?.[service] ?? 'none:');
    return `${pathname}${search}`;
  };
  const enter = async (service: ServiceName = 'code') => {
    const { status, headers } = await ask(`one-${service}`, await linkTo(service), PAGE);
    expect([status, headers.location]).to.deep.equal([302, `${originOf(`one-${service}`)}/`]);
    return headers['set-cookie']?.[0]?.split(';')[0] ?? '';
  };

  it('lead people to the form and back, and refuse programs', async () => {
    const led = await ask('one-code', '/a?b=c', PAGE);
    const login = new URL(led.headers.location ?? 'none:');
    expect([led.status, login.origin, login.pathname]).to.deep.equal([302, originOf('api'), '/login']);
    expect(login.searchParams.get('to')).to.equal(`${originOf('one-code')}/a?b=c`);
    expect((await ask('one-code', '/')).status).to.equal(401);
    expect((await ask('api', `${login.pathname}${login.search}`, PAGE)).status).to.equal(200);
  });

  it('show the workspace its own cookies and authorization, and nothing of ours', async () => {
    const cookie = await enter();
    const foreign = { Authorization: 'Basic dTpw', Cookie: `a=1; ${cookie}; b=2` };
    expect((await ask('one-code', '/', foreign)).seen).to.include({
      authorization: 'Basic dTpw',
      cookie: 'a=1; b=2',
    });
    expect((await ask('one-code', '/', { Cookie: ['a=1', cookie, 'b=2'] })).seen).to.include({
      cookie: 'a=1; b=2',
    });
    const opening: Headers[] = [{ Cookie: cookie }, { Authorization: `Bearer ${KEY}` }];
    for (const headers of opening)
      expect((await ask('one-code', '/', headers)).seen).not.to.have.any.keys('cookie', 'authorization');
  });

  it('show it no part of a cookie header that HTTP/2 brings in pieces', async () => {
    const cookie = await enter();
    const session = http2.connect(`https://127.0.0.1:${gateway.httpsPort}`, {
      ca,
      servername: `one-code.${gateway.domain}`,
    });
    const stream = session.request({
      ':path': '/',
      ':authority': hostOf('one-code'),
      cookie: ['a=1', cookie, 'b=2'],
    });
    let text = '';
    for await (const piece of stream) text += String(piece);
    session.close();
    expect((JSON.parse(text) as { headers: http.IncomingHttpHeaders }).headers.cookie).to.equal('a=1; b=2');
  });

  it('renew a session, beside the cookies of what answers', async () => {
    const cookie = await enter();
    expect((await ask('one-code', '/', { Cookie: cookie })).headers['set-cookie']).to.deep.equal(['app=1']);
    now += LATER_MS;
    const renewed = (await ask('one-code', '/', { Cookie: cookie })).headers['set-cookie'] ?? [];
    expect(renewed).to.have.length(2);
    expect(renewed[0]).to.equal('app=1');
    expect(renewed[1]).to.match(/^__Host-berth=[^;]+; Path=\/;.* HttpOnly; Secure; SameSite=Lax$/);
  });

  const forgeries: [string, Headers][] = [
    ['says that it is for another host', {}],
    [
      'keeps the gateway from saying for which it is',
      { Connection: 'X-Forwarded-Host, X-Forwarded-Uri, close' },
    ],
    ['says so in another notation', { X_Forwarded_Host: 'one-code' }],
  ];
  for (const [what, headers] of forgeries) {
    it(`believe no request that ${what}`, async () => {
      const forged = { 'X-Forwarded-Host': hostOf('one-code'), 'X-Forwarded-Method': 'GET' };
      const Cookie = await enter();
      for (const name of ['one-vnc', 'two-code'])
        expect((await ask(name, '/', { Cookie, ...forged, ...headers })).status, name).to.equal(401);
    });
  }

  it('ask only each other', async () => {
    const Cookie = await enter();
    const forged = { 'X-Forwarded-Host': hostOf('one-code'), 'X-Forwarded-Method': 'GET', Cookie };
    const paths = ['/access', '/ACCESS', '/access/', '/access?a', '/%61ccess', '//access', '/./access'];
    for (const path of [
      ...paths,
      '/x/../access',
      '/x/%2e%2e/access',
      '/%2Faccess',
      '/access%2f',
      '/access;a',
    ])
      expect((await ask('api', path, forged)).status, path).to.equal(404);
  });

  it('refuse what pages of other workspaces send', async () => {
    const headers = { Cookie: await enter(), Origin: originOf('two-web') };
    expect((await ask('one-code', '/', headers, 'POST')).status).to.equal(403);
    const own = { ...headers, Origin: originOf('one-code') };
    expect((await ask('one-code', '/', own, 'POST')).status).to.equal(200);
  });

  it('open websockets with a session, from pages of the same origin', async () => {
    const Cookie = await enter();
    expect(await handshake({ Cookie })).to.equal(101);
    expect(await handshake({ Cookie, Origin: originOf('one-code') })).to.equal(101);
    expect(await handshake({ Cookie, Origin: originOf('two-web') })).to.equal(403);
    expect(await handshake({})).to.equal(401);
  });

  /** 101, or what the handshake was answered with. */
  async function handshake(headers: Record<string, string>): Promise<number | undefined> {
    const servername = `one-code.${gateway.domain}`;
    const socket = new WebSocket(`wss://127.0.0.1:${gateway.httpsPort}/`, {
      agent: new https.Agent({ ca, servername }),
      headers: { Host: hostOf('one-code'), ...headers },
    });
    const refused = once(socket, 'unexpected-response').then(
      ([, response]: { statusCode?: number }[]) => response?.statusCode,
    );
    const status = await Promise.race([once(socket, 'open').then(() => 101), refused]);
    socket.on('error', () => undefined);
    socket.terminate();
    return status;
  }
});
