import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { HttpsProber } from '../../../controller/adapters/https-prober.js';
import { Authority } from '../../support/gateway/authority.js';

type Answer = (response: ServerResponse) => void;

const DOMAIN = 'berth.test';
const serving: Answer = (response) => void response.writeHead(200, { 'X-Berth-Workspace': 'ada' }).end('ok');
const silent: Answer = () => undefined;
const switching: Answer = ({ socket }) =>
  void socket?.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n');
const endless: Answer = (response) => {
  response.writeHead(200, { 'X-Berth-Workspace': 'ada' });
  const timer = setInterval(() => response.write('data: tick\n\n'), 50);
  response.on('close', () => clearInterval(timer));
};

describe('HttpsProber', function () {
  this.timeout(30_000);
  let folder: string;
  let ca: string;
  let server: Server;
  let prober: HttpsProber;
  /** By host name; others are not routed. */
  let answers: Record<string, Answer>;

  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'berth-prober-'));
    const authority = await Authority.make(folder);
    const { chain, key } = await authority.issue({ names: [`*.${DOMAIN}`] });
    ca = await readFile(authority.root, 'utf8');
    server = createServer({ cert: chain, key }, (request: IncomingMessage, response) => {
      const answer = answers[request.headers.host ?? ''];
      if (answer === undefined) response.writeHead(404).end('404 page not found');
      else answer(response);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  after(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    await rm(folder, { recursive: true, force: true });
  });
  beforeEach(() => {
    answers = {};
    for (const name of ['ada-vnc', 'ada-code', 'ada-web', 'api']) answers[`${name}.${DOMAIN}`] = serving;
    prober = proberAt((server.address() as AddressInfo).port);
  });
  afterEach(() => prober.close());

  const proberAt = (port: number) =>
    new HttpsProber({
      gateway: `127.0.0.1:${port}`,
      domain: DOMAIN,
      ca,
      tokenFor: () => Promise.resolve('token'),
    });
  const set = (name: string, answer: Answer) => (answers[`${name}.${DOMAIN}`] = answer);

  it('finds nothing wrong where all three serve', async () => {
    expect(await prober.probe('ada')).to.deep.equal({ vnc: null, code: null, web: null });
  });

  it('waits for no end of an answer: an app may send for ever', async () => {
    set('ada-web', endless);
    expect(await prober.probe('ada')).to.deep.equal({ vnc: null, code: null, web: null });
  });

  it('comes to an end where the answer changes the protocol', async () => {
    set('ada-web', switching);
    expect(await prober.probe('ada')).to.deep.equal({
      vnc: null,
      code: null,
      web: { by: 'gateway', message: 'closed without an answer' },
    });
  });

  it('lays silence to the workspace', async () => {
    set('ada-code', silent);
    expect((await prober.probe('ada')).code).to.deep.include({ by: 'workspace' });
  });

  it('lays silence to the gateway where the API that guards it is silent too', async () => {
    for (const name of ['ada-vnc', 'ada-code', 'ada-web', 'api']) set(name, silent);
    for (const fault of Object.values(await prober.probe('ada')))
      expect(fault).to.deep.include({ by: 'gateway' });
  });

  it('lays a missing route to the gateway, an error of the service to the workspace', async () => {
    delete answers[`ada-vnc.${DOMAIN}`];
    set('ada-code', (response) => response.writeHead(500, { 'X-Berth-Workspace': 'ada' }).end());
    const { vnc, code } = await prober.probe('ada');
    expect(vnc).to.deep.equal({ by: 'gateway', message: 'no route yet, status 404' });
    expect(code).to.deep.equal({ by: 'workspace', message: 'status 500' });
  });

  it('lays a gateway that is not there to the gateway', async () => {
    prober.close();
    prober = proberAt(1);
    expect((await prober.probe('ada')).web).to.deep.include({ by: 'gateway' });
  });
});
