import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { expect } from 'chai';
import type { WebSocket } from 'ws';
import { Berth, type View } from '../support/berth.js';
import { eventually } from '../support/swarm.js';

const PAGE = { Accept: 'text/html' };
/** The user's app: tells what it was sent. */
const ECHO = `require('http').createServer((q, r) => r.end(JSON.stringify(q.headers))).listen(3000)`;

describe('The way to a workspace', function () {
  this.timeout(120_000);
  const berth = new Berth();
  const id = `way-${randomBytes(3).toString('hex')}`;
  let view: View;

  before(async () => {
    view = await berth.start({ bucketId: id, name: id });
    await berth.shell(id, `nohup node -e "${ECHO}" >/dev/null 2>&1 &`);
  });
  after(async () => {
    await berth.removeQuietly([id]);
    berth.close();
  });

  const stranger = (url: string, headers: Record<string, string> = {}, method = 'GET', body?: string) =>
    berth.request(method, url, { headers, stranger: true, body });
  const links = async () => {
    const { json } = await berth.api<{ urls: View['urls'] }>('POST', `/api/containers/${id}/access`);
    return json.urls;
  };
  const enter = async (service: 'code' | 'vnc' | 'web') => {
    const { status, headers } = await stranger((await links())[service], PAGE);
    expect(status).to.equal(302);
    expect(headers['location']).to.equal(`${view.urls[service]}/`);
    return String(headers['set-cookie']?.[0]).split(';')[0] ?? '';
  };
  /** 101, or what the handshake was answered with. */
  const handshake = async (socket: WebSocket) => {
    const refused = once(socket, 'unexpected-response').then(
      ([, response]: { statusCode?: number }[]) => response?.statusCode,
    );
    const status = await Promise.race([once(socket, 'open').then(() => 101), refused]);
    socket.on('error', () => undefined);
    socket.terminate();
    return status;
  };

  it('is closed to strangers: people are led to a form, programs and websockets refused', async () => {
    for (const url of Object.values(view.urls)) {
      const page = await stranger(`${url}/x`, PAGE);
      expect(page.status, url).to.equal(302);
      expect(page.headers['location']).to.match(/^https:\/\/api\..*\/login\?to=/);
      expect((await stranger(url)).status, url).to.equal(401);
    }
    expect(await handshake(berth.webSocket(`${view.urls.vnc}/websockify`, {}))).to.equal(401);
  });

  it('is opened by a link, for its one host, with what is behind it', async () => {
    const Cookie = await enter('vnc');
    expect((await stranger(view.urls.vnc, { Cookie })).status).to.equal(200);
    expect(await handshake(berth.webSocket(`${view.urls.vnc}/websockify`, { Cookie }))).to.equal(101);
    expect((await stranger(view.urls.code, { Cookie })).status).to.equal(401);
  });

  it('is closed to the pages of other workspaces, also with the session of whoever looks at them', async () => {
    const Cookie = await enter('vnc');
    const Origin = view.urls.vnc.replace(id, 'other');
    expect(await handshake(berth.webSocket(`${view.urls.vnc}/websockify`, { Cookie, Origin }))).to.equal(403);
    const own = { Cookie, Origin: view.urls.vnc };
    expect(await handshake(berth.webSocket(`${view.urls.vnc}/websockify`, own))).to.equal(101);
  });

  it('shows the workspace neither session nor key, and all that is its own', async () => {
    const Cookie = await enter('web');
    const seen = async (headers: Record<string, string>) => {
      const answer = await stranger(view.urls.web, headers);
      expect(answer.status).to.equal(200);
      return JSON.parse(answer.text) as Record<string, string>;
    };
    await eventually('the app answers', async () =>
      (await berth.request('GET', view.urls.web)).text.startsWith('{'),
    );
    const bySession = await seen({ Cookie: `mine=1; ${Cookie}`, Authorization: 'Basic dTpw' });
    expect(bySession).to.include({ cookie: 'mine=1', authorization: 'Basic dTpw' });
    const byKey = JSON.parse((await berth.request('GET', view.urls.web)).text) as Record<string, string>;
    expect(byKey).not.to.have.any.keys('cookie', 'authorization');
  });

  it('asks nobody about itself who is not the gateway', async () => {
    const forged = { 'X-Forwarded-Host': new URL(view.urls.code).host, 'X-Forwarded-Method': 'GET' };
    const { status } = await stranger(`https://api.${berth.domain}:${berth.port}/access`, forged);
    expect(status).to.equal(404);
  });

  it('is opened by the form', async () => {
    const led = await stranger(view.urls.code, PAGE);
    const login = String(led.headers['location']);
    const form = await stranger(login, PAGE);
    expect(form.status).to.equal(200);
    expect(form.text).to.contain(new URL(view.urls.code).host);
    const body = new URLSearchParams({
      to: view.urls.code,
      key: process.env['BERTH_TEST_KEY'] ?? '',
    }).toString();
    const headers = { 'Content-Type': 'application/x-www-form-urlencoded' };
    const answer = await stranger(new URL('/login', login).href, headers, 'POST', body);
    expect(answer.status).to.equal(303);
    const entered = await stranger(String(answer.headers['location']), PAGE);
    expect(entered.headers['set-cookie']?.[0]).to.match(/^__Host-berth=.*Secure; HttpOnly/);
  });

  it('is closed again when access is revoked, and when the workspace ends', async () => {
    const before = await enter('code');
    // Tokens tell the time in whole seconds.
    await new Promise((resolve) => setTimeout(resolve, 1100));
    expect((await berth.api('DELETE', `/api/containers/${id}/access`)).status).to.equal(200);
    const closed = async () => (await stranger(view.urls.code, { Cookie: before })).status === 401;
    await eventually('the old session is refused', closed);
    await new Promise((resolve) => setTimeout(resolve, 1100));
    const Cookie = await enter('code');
    expect((await stranger(view.urls.code, { Cookie })).status).to.equal(200);
    await berth.api('DELETE', `/api/containers/${id}?wait=60`);
    expect((await berth.api('POST', `/api/containers/${id}/start?wait=60`)).status).to.equal(200);
    expect((await stranger(view.urls.code, { Cookie })).status).to.equal(401);
  });

  it('is open to everybody where the app is public, and only to the app', async () => {
    const name = `${id}-p`;
    const { urls } = await berth.start({ bucketId: id, prefix: 'public', name, web: { public: true } });
    expect((await stranger(urls.web)).status).to.equal(200);
    expect((await stranger(urls.code)).status).to.equal(401);
    await berth.remove(name);
  });
});
