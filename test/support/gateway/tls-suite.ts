import https from 'node:https';
import http from 'node:http';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { ciphersOfOpenssl, handshake } from './handshake.js';

/** A gateway that is published on loopback, and names that lead to a workspace's services. */
export interface TlsTarget {
  domain: string;
  httpPort: number;
  httpsPort: number;
  /** File of the authority that vouches for the certificate. */
  ca: string;
  hosts: { api: string; code: string; vnc: string; web: string };
  /** Opens the workspace's. */
  key?: string;
}

export interface HeadAnswer {
  status: number;
  headers: http.IncomingHttpHeaders;
}

/** What is left of TLS 1.2 when only forward secrecy and authenticated encryption are good enough. */
const MODERN = [
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-RSA-CHACHA20-POLY1305',
];

/** A request to a host of the gateway, whatever resolvers know of that host. */
export async function askGateway(
  target: Pick<TlsTarget, 'httpPort' | 'httpsPort' | 'ca' | 'key'>,
  url: string,
  options: { method?: string; headers?: Record<string, string> } = {},
): Promise<HeadAnswer> {
  const { protocol, hostname, pathname } = new URL(url);
  const secure = protocol === 'https:';
  const port = secure ? target.httpsPort : target.httpPort;
  const opens = target.key !== undefined && /-(code|vnc|web)\./.test(hostname);
  const authorization = opens ? { Authorization: `Bearer ${target.key}` } : {};
  const request = (secure ? https : http).request({
    host: '127.0.0.1',
    port,
    path: pathname,
    method: options.method ?? 'GET',
    headers: { Host: `${hostname}:${port}`, ...authorization, ...options.headers },
    agent: false,
    ...(secure ? { servername: hostname, ca: readFileSync(target.ca) } : {}),
  });
  request.end();
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  response.resume();
  return { status: response.statusCode ?? 0, headers: response.headers };
}

/** What holds of every gateway with a certificate of its own authority (R2.6, R9.6). */
export function tlsSuite(of: () => TlsTarget): void {
  const ask = (url: string, options: { method?: string } = {}) => askGateway(of(), url, options);
  /** Security level 0, so that old protocols and ciphers are offered at all. */
  const all = 'ALL:COMPLEMENTOFALL:@SECLEVEL=0';

  for (const version of ['tls1', 'tls1_1']) {
    it(`refuses ${version}`, async () => {
      const { httpsPort, hosts } = of();
      const answer = await handshake(httpsPort, hosts.api, `-${version}`, '-cipher', all);
      expect(answer).to.include({ protocol: null, alert: 'protocol version' });
    });
  }

  for (const [option, protocol] of [
    ['tls1_2', 'TLSv1.2'],
    ['tls1_3', 'TLSv1.3'],
  ] as const) {
    it(`speaks ${protocol}, and HTTP/2 in it`, async () => {
      const { httpsPort, hosts } = of();
      for (const host of [hosts.api, hosts.code]) {
        const answer = await handshake(httpsPort, host, `-${option}`, '-alpn', 'h2,http/1.1');
        expect(answer).to.include({ protocol, alpn: 'h2' });
      }
    });
  }

  it('takes no weak cipher: of all that openssl knows, only those with forward secrecy and AEAD', async () => {
    const { httpsPort, hosts } = of();
    const offered = await ciphersOfOpenssl();
    expect(offered).to.include.members([
      'AES128-SHA',
      'ECDHE-RSA-AES128-SHA256',
      'ADH-AES128-SHA',
      ...MODERN,
    ]);
    const taken: string[] = [];
    for (const cipher of offered) {
      const one = `${cipher}:@SECLEVEL=0`;
      const answer = await handshake(httpsPort, hosts.api, '-tls1_2', '-cipher', one);
      if (answer.cipher !== null) taken.push(answer.cipher);
    }
    expect(taken).not.to.be.empty;
    expect(MODERN).to.include.members(taken);
  });

  it("has a certificate that the authority vouches for, for the API and for a workspace's hosts", async () => {
    const { httpsPort, hosts, ca, domain } = of();
    const check = (host: string, ...trust: string[]) =>
      handshake(httpsPort, host, '-verify_hostname', host, ...trust);
    for (const host of Object.values(hosts)) {
      expect((await check(host, '-CAfile', ca)).verdict, host).to.equal('0 (ok)');
    }
    const control = await handshake(httpsPort, hosts.api, '-verify_hostname', `a.b.${domain}`, '-CAfile', ca);
    expect(control.verdict).to.contain('mismatch');
    expect((await check(hosts.api, '-no-CApath', '-no-CAfile', '-no-CAstore')).verdict).not.to.equal(
      '0 (ok)',
    );
  });

  /** On everything that is answered by HTTPS. */
  const expectSecure = ({ headers }: HeadAnswer, what: string) => {
    expect(headers['strict-transport-security'], what).to.equal('max-age=31536000');
    expect(headers['x-content-type-options'], what).to.equal('nosniff');
    for (const name of ['server', 'x-powered-by', 'via']) expect(headers, what).not.to.have.property(name);
  };
  /** On Berth's own pages too. */
  const expectOwn = (answer: HeadAnswer, what: string) => {
    expectSecure(answer, what);
    expect(answer.headers['x-frame-options'], what).to.equal('SAMEORIGIN');
    expect(answer.headers['referrer-policy'], what).to.equal('same-origin');
  };

  const answers: [string, (target: TlsTarget) => string, number[]][] = [
    ['an answer of the API', ({ hosts }) => `https://${hosts.api}/healthz`, [200]],
    ['a refusal of the API', ({ hosts }) => `https://${hosts.api}/api/containers`, [401]],
    ['what the API does not have', ({ hosts }) => `https://${hosts.api}/nothing-here`, [404]],
    [
      "the agents' part of the API, which is not published",
      ({ hosts }) => `https://${hosts.api}/agent/a/report`,
      [404],
    ],
    ['metrics without a key', ({ domain }) => `https://metrics.${domain}/metrics`, [401, 403]],
    ['a host that nobody has', ({ domain }) => `https://nobody-code.${domain}/`, [404]],
    ['the IDE', ({ hosts }) => `https://${hosts.code}/`, [200, 302]],
    ['the desktop', ({ hosts }) => `https://${hosts.vnc}/`, [200]],
  ];
  for (const [what, url, statuses] of answers) {
    it(`says on ${what} what browsers shall mind`, async () => {
      const answer = await ask(url(of()));
      expect(answer.status).to.be.oneOf(statuses);
      expectOwn(answer, what);
    });
  }

  it("says on the user's app only what concerns the way to it", async () => {
    const { hosts } = of();
    const answer = await ask(`https://${hosts.web}/`);
    expect(answer.status).to.equal(200);
    expectSecure(answer, 'the app');
    for (const name of ['x-frame-options', 'referrer-policy'])
      expect(answer.headers).not.to.have.property(name);
  });

  for (const [method, status] of [
    ['GET', 301],
    ['POST', 308],
  ] as const) {
    it(`sends ${method} from HTTP to HTTPS for good, with path and query`, async () => {
      const { hosts, httpsPort } = of();
      for (const host of Object.values(hosts)) {
        const answer = await ask(`http://${host}/some/path`, { method });
        expect(answer.status, host).to.equal(status);
        const { hostname, protocol, pathname, port } = new URL(answer.headers.location ?? '');
        expect({ hostname, protocol, pathname }).to.deep.equal({
          hostname: host,
          protocol: 'https:',
          pathname: '/some/path',
        });
        expect(Number(port === '' ? 443 : port)).to.equal(httpsPort);
        expect(answer.headers['x-content-type-options']).to.equal('nosniff');
        // It means nothing there, and must not be said (RFC 6797).
        expect(answer.headers).not.to.have.property('strict-transport-security');
      }
    });
  }
}
