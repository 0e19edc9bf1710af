import { once } from 'node:events';
import https from 'node:https';
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import WebSocket from 'ws';
import { Backend } from '../../support/gateway/backend.js';
import { Gateway } from '../../support/gateway/gateway.js';
import { askGateway, tlsSuite, type TlsTarget } from '../../support/gateway/tls-suite.js';
import { eventually } from '../../support/swarm.js';

/** The real Traefik with the routes, arguments and script of a stack; servers of the test behind it. */
describe('The gateway', function () {
  this.timeout(120_000);
  const gateway = new Gateway();
  /** Answers as the API does, or with what a request's path wants. */
  const backend = new Backend((request, response) => {
    const statuses: Record<string, number> = { '/api/containers': 401, '/auth': 401, '/nothing-here': 404 };
    if (request.url === '/own') {
      response.setHeader('X-Frame-Options', 'ALLOW-FROM https://example.com');
      response.setHeader('Referrer-Policy', 'unsafe-url');
      response.setHeader('Content-Security-Policy', "frame-ancestors 'none'");
      response.setHeader('Set-Cookie', 'a=b; Secure');
      response.setHeader('Server', 'mine');
    }
    response.writeHead(statuses[request.url ?? ''] ?? 200).end('hello');
  });
  let target: TlsTarget;

  before(async () => {
    await backend.start();
    gateway.route('demo', backend.address);
    await gateway.certify();
    await gateway.start({ 'http://api:8080': backend.url, 'http://controller:9095': backend.url });
    const { domain, httpPort, httpsPort } = gateway;
    const hosts = {
      api: `api.${domain}`,
      code: `demo-code.${domain}`,
      vnc: `demo-vnc.${domain}`,
      web: `demo-web.${domain}`,
    };
    target = { domain, httpPort, httpsPort, hosts, ca: gateway.state('tls/ca.crt') };
    await eventually(
      'the routes of the workspace',
      async () => (await askGateway(target, `https://${hosts.web}/`)).status === 200,
    );
  });
  after(async () => {
    backend.stop();
    await gateway.remove();
  });

  tlsSuite(() => target);

  it("changes nothing that the user's app says about itself", async () => {
    const { headers } = await askGateway(target, `https://${target.hosts.web}/own`);
    expect(headers).to.include({
      'x-frame-options': 'ALLOW-FROM https://example.com',
      'referrer-policy': 'unsafe-url',
      'content-security-policy': "frame-ancestors 'none'",
      server: 'mine',
    });
    expect(headers['set-cookie']).to.deep.equal(['a=b; Secure']);
  });

  it('has the last word about the IDE, but for its content policy', async () => {
    const { headers } = await askGateway(target, `https://${target.hosts.code}/own`);
    expect(headers).to.include({
      'x-frame-options': 'SAMEORIGIN',
      'referrer-policy': 'same-origin',
      'content-security-policy': "frame-ancestors 'none'",
    });
    expect(headers).not.to.have.property('server');
  });

  it('says so too when nobody answers behind a route', async () => {
    gateway.route('dead', '127.0.0.2');
    const ask = () => askGateway(target, `https://dead-code.${target.domain}/`);
    await eventually('the route is there', async () => (await ask()).status !== 404);
    const { status, headers } = await ask();
    expect(status).to.equal(502);
    expect(headers).to.include({ 'x-frame-options': 'SAMEORIGIN', 'x-content-type-options': 'nosniff' });
    expect(headers['strict-transport-security']).to.equal('max-age=31536000');
  });

  for (const service of ['code', 'vnc', 'web'] as const) {
    it(`passes websockets of ${service}`, async () => {
      const host = target.hosts[service];
      const agent = new https.Agent({ ca: readFileSync(target.ca), servername: host });
      const socket = new WebSocket(`wss://127.0.0.1:${target.httpsPort}/`, {
        agent,
        headers: { Host: host },
      });
      await once(socket, 'open');
      socket.send('ping');
      const [data] = (await once(socket, 'message')) as [Buffer];
      socket.close();
      expect(String(data)).to.equal('ping');
    });
  }
});
