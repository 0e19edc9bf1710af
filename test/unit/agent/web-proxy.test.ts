import http from 'node:http';
import net from 'node:net';
import { expect } from 'chai';
import { WebSocket, WebSocketServer } from 'ws';
import { listen, shut } from '../../../agent/http/listen.js';
import { createWebProxy } from '../../../agent/web/proxy.js';

const HOST = '127.0.0.1';

interface Answer {
  status: number;
  headers: http.IncomingHttpHeaders;
  body: string;
}

function ask(port: number, options: http.RequestOptions = {}, body?: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = http.request({ host: HOST, port, agent: false, ...options }, (answer) => {
      let text = '';
      answer.on('data', (chunk: Buffer) => (text += chunk.toString()));
      answer.on('end', () =>
        resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: text }),
      );
      answer.on('error', reject);
    });
    request.on('error', reject);
    request.end(body);
  });
}

describe('agent: web proxy', () => {
  let app: http.Server;
  let proxy: http.Server;
  let appPort: number;
  let port: number;
  let handler: http.RequestListener;

  beforeEach(async () => {
    handler = (_request, response) => response.end('hello');
    app = http.createServer((request, response) => handler(request, response));
    appPort = await listen(app, 0, HOST);
    proxy = createWebProxy(appPort);
    port = await listen(proxy, 0, HOST);
  });
  afterEach(async () => {
    await shut(proxy);
    await shut(app);
  });

  it('shows a friendly page while nothing listens, and the app as soon as it does', async () => {
    await shut(app);
    const waiting = await ask(port, { path: '/any/where' });
    expect(waiting.status).to.equal(200);
    expect(waiting.headers).to.include({
      'x-berth-web': 'waiting',
      'x-berth-agent': '1',
      'cache-control': 'no-store',
    });
    expect(waiting.body).to.contain(`port ${appPort}`);
    const head = await ask(port, { method: 'HEAD' });
    expect([head.status, head.body, head.headers['x-berth-web']]).to.deep.equal([200, '', 'waiting']);
    expect((await ask(port, { method: 'POST' }, 'form')).status).to.equal(503);
    await new Promise<void>((resolve) => app.listen(appPort, HOST, resolve));
    const there = await ask(port);
    expect(there.body).to.equal('hello');
    expect(there.headers).not.to.have.any.keys('x-berth-web', 'x-berth-agent');
  });

  it('says so when the app’s first line is none that could be passed on, and goes on', async () => {
    for (const line of ['500 \u001b[31mboom', '099 Odd']) {
      await shut(app);
      const odd = net.createServer((socket) => {
        socket.on('error', () => undefined);
        socket.once('data', () => socket.end(`HTTP/1.1 ${line}\r\nContent-Length: 2\r\n\r\nhi`));
      });
      await new Promise<void>((resolve) => odd.listen(appPort, HOST, resolve));
      expect((await ask(port)).status, line).to.equal(502);
      await new Promise((resolve) => odd.close(resolve));
      await new Promise<void>((resolve) => app.listen(appPort, HOST, resolve));
      expect((await ask(port)).body).to.equal('hello');
    }
  });

  it('finds an app that listens on ::1 only', async function () {
    await shut(app);
    const six = http.createServer((_request, response) => response.end('six'));
    try {
      await new Promise<void>((resolve, reject) => {
        six.once('error', reject);
        six.listen(appPort, '::1', resolve);
      });
    } catch {
      return this.skip();
    }
    expect((await ask(port)).body).to.equal('six');
    await shut(six);
  });

  it('passes method, path, body and end-to-end headers, and no others', async () => {
    let seen: { method?: string; url?: string; headers: http.IncomingHttpHeaders; body: string } | undefined;
    handler = (request, response) => {
      let body = '';
      request.on('data', (chunk: Buffer) => (body += chunk.toString()));
      request.on('end', () => {
        seen = { method: request.method!, url: request.url!, headers: request.headers, body };
        response.writeHead(201, 'Made', [
          ...['Set-Cookie', 'a=1', 'Set-Cookie', 'b=2', 'X-App', 'yes'],
          ...['Connection', 'x-private', 'X-Private', 'hop'],
        ]);
        response.end('made');
      });
    };
    const answer = await ask(
      port,
      {
        method: 'PUT',
        path: '/a%20b?q=1',
        headers: {
          host: 'w1-web.example.org',
          'x-forwarded-proto': 'https',
          'x-forwarded-host': 'w1-web.example.org',
          connection: 'x-secret-hop',
          'x-secret-hop': 'no',
          'transfer-encoding': 'chunked',
        },
      },
      'payload',
    );
    expect(seen).to.include({ method: 'PUT', url: '/a%20b?q=1', body: 'payload' });
    expect(seen?.headers).to.include({ host: 'w1-web.example.org', 'x-forwarded-proto': 'https' });
    expect(seen?.headers).not.to.have.property('x-secret-hop');
    expect(answer).to.deep.include({ status: 201, body: 'made' });
    expect(answer.headers['set-cookie']).to.deep.equal(['a=1', 'b=2']);
    expect(answer.headers).not.to.have.property('x-private');
  });

  it('streams: the first event arrives before the answer ends', async () => {
    let finish = (): unknown => undefined;
    handler = (_request, response) => {
      response.setHeader('content-type', 'text/event-stream');
      response.write('data: first\n\n');
      finish = () => response.end();
    };
    await new Promise<void>((resolve, reject) => {
      const request = http.get({ host: HOST, port, agent: false }, (answer) => {
        answer.once('data', (chunk: Buffer) => {
          expect(chunk.toString()).to.contain('first');
          finish();
        });
        answer.on('end', resolve);
      });
      request.on('error', reject);
    });
  });

  it('says so when the app hangs up, and goes on', async () => {
    handler = (request) => request.socket.destroy();
    expect(await ask(port)).to.deep.include({ status: 502 });
    handler = (_request, response) => response.end('again');
    expect((await ask(port)).body).to.equal('again');
  });

  it('stops asking the app when the client went away', async () => {
    const closed = new Promise<void>((resolve) => {
      handler = (_request, response) => {
        response.on('close', resolve);
        client.destroy();
      };
    });
    const client = http.get({ host: HOST, port, agent: false });
    client.on('error', () => undefined);
    await closed;
  });

  it('passes WebSockets in both directions, and their end', async () => {
    const sockets = new WebSocketServer({ server: app, handleProtocols: () => 'chat' });
    sockets.on('connection', (socket) => socket.on('message', (data) => socket.send(data)));
    const client = new WebSocket(`ws://${HOST}:${port}/live`, 'chat');
    const echoed = await new Promise<string>((resolve, reject) => {
      client.on('open', () => client.send('ping'));
      client.on('message', (data) => resolve((data as Buffer).toString()));
      client.on('error', reject);
    });
    expect([echoed, client.protocol]).to.deep.equal(['ping', 'chat']);
    const closed = new Promise((resolve) => client.on('close', resolve));
    for (const socket of sockets.clients) socket.close(4001);
    expect(await closed).to.equal(4001);
    sockets.close();
  });

  it('refuses WebSockets while nothing listens, and passes the app’s refusal', async () => {
    const upgrade = (to: number) =>
      new Promise<string>((resolve) => {
        const socket = net.connect(to, HOST, () =>
          socket.write('GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'),
        );
        let text = '';
        socket.on('data', (chunk) => (text += chunk.toString()));
        socket.on('close', () => resolve(text));
      });
    handler = (_request, response) => response.writeHead(418).end('no sockets here');
    expect(await upgrade(port)).to.match(/^HTTP\/1.1 418[^]*no sockets here/);
    await shut(app);
    expect(await upgrade(port)).to.match(/^HTTP\/1.1 503/);
  });
});
