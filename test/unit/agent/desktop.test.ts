import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type http from 'node:http';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { WebSocket } from 'ws';
import { createDesktopServer } from '../../../agent/desktop/server.js';
import { loadStaticFiles } from '../../../agent/desktop/static-files.js';
import { listen, shut } from '../../../agent/http/listen.js';
import { startRfbStandIn } from '../../../agent/testspace/rfb.js';
import { silentLogger } from '../../../shared/logger.js';

const HOST = '127.0.0.1';

describe('agent: desktop', () => {
  let folder: string;
  let rfbSocket: string;
  let server: http.Server;
  let port: number;

  beforeEach(async () => {
    folder = mkdtempSync(path.join(tmpdir(), 'berth-desktop-'));
    rfbSocket = path.join(folder, 'vnc.sock');
    writeFileSync(path.join(folder, 'index.html'), '<title>Desktop</title>');
    writeFileSync(path.join(folder, 'main.js'), 'connect()');
    writeFileSync(path.join(folder, 'main.ts'), 'source');
    server = createDesktopServer({ files: await loadStaticFiles(folder), rfbSocket, log: silentLogger() });
    port = await listen(server, 0, HOST);
  });
  afterEach(async () => {
    await shut(server);
    rmSync(folder, { recursive: true });
  });

  const get = async (path: string, method = 'GET') => {
    const answer = await fetch(`http://${HOST}:${port}${path}`, { method });
    return { status: answer.status, headers: answer.headers, body: await answer.text() };
  };

  it('serves its page and nothing else, and says who answers', async () => {
    const page = await get('/?token=x');
    expect([page.status, page.body]).to.deep.equal([200, '<title>Desktop</title>']);
    expect(page.headers.get('x-berth-agent')).to.equal('1');
    expect(page.headers.get('content-security-policy')).to.contain("default-src 'self'");
    expect((await get('/main.js')).headers.get('content-type')).to.contain('javascript');
    for (const path of ['/main.ts', '/..%2fetc/passwd', '/vnc.sock', '/x'])
      expect((await get(path)).status, path).to.equal(404);
    expect((await get('/', 'POST')).status).to.equal(405);
    expect((await get('/', 'HEAD')).body).to.equal('');
  });

  it('leads a WebSocket through the handshake of a VNC server', async () => {
    const rfb = await startRfbStandIn(rfbSocket);
    const client = new WebSocket(`ws://${HOST}:${port}/websockify`, ['binary']);
    const replies = [Buffer.from('RFB 003.008\n'), Buffer.from([1]), Buffer.from([1])];
    const received: Buffer[] = [];
    await new Promise<void>((resolve, reject) => {
      client.on('error', reject);
      client.on('message', (data: Buffer) => {
        received.push(data);
        const reply = replies.shift();
        if (reply) client.send(reply);
        else resolve();
      });
    });
    expect(client.protocol).to.equal('binary');
    const all = Buffer.concat(received);
    expect(all.subarray(0, 12).toString()).to.equal('RFB 003.008\n');
    expect(all.subarray(-9).toString()).to.equal('testspace');
    client.terminate();
    rfb.close();
  });

  it('tells a client to come again while there is no VNC server', async () => {
    const client = new WebSocket(`ws://${HOST}:${port}/websockify`);
    const code = await new Promise((resolve) => client.on('close', resolve));
    expect(code).to.equal(1013);
  });

  it('makes a fast VNC server wait for a slow browser', async () => {
    const total = 64 * 1024 * 1024;
    let written = 0;
    const source = net.createServer((socket) => {
      const chunk = Buffer.alloc(256 * 1024);
      const pour = () => {
        while (written < total) {
          written += chunk.length;
          if (!socket.write(chunk)) return void socket.once('drain', pour);
        }
      };
      socket.on('error', () => undefined);
      pour();
    });
    await new Promise<void>((resolve) => source.listen(rfbSocket, resolve));
    const client = new WebSocket(`ws://${HOST}:${port}/websockify`, { perMessageDeflate: false });
    await new Promise((resolve) => client.on('open', resolve));
    client.pause();
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(written, 'what fits into all buffers between').to.be.below(total / 2);
    client.terminate();
    source.close();
  });

  it('ends at once, also with a browser that sleeps and answers nothing', async () => {
    const rfb = await startRfbStandIn(rfbSocket);
    const browser = net.connect(port, HOST);
    browser.on('error', () => undefined);
    browser.write(
      ['GET /websockify HTTP/1.1', `Host: ${HOST}`, 'Connection: Upgrade', 'Upgrade: websocket'].join(
        '\r\n',
      ) + '\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
    );
    const head = await new Promise<Buffer>((resolve) => browser.once('data', resolve));
    expect(head.toString()).to.match(/^HTTP\/1\.1 101 /);
    await shut(server);
    rfb.close();
  });

  it('lets only its own page connect', async () => {
    const status = (origin: string) =>
      new Promise<number>((resolve) => {
        const client = new WebSocket(`ws://${HOST}:${port}/websockify`, { origin });
        client.on('unexpected-response', (_request, answer) => resolve(answer.statusCode ?? 0));
        client.on('close', () => resolve(101));
        client.on('error', () => undefined);
      });
    expect(await status('https://evil.example')).to.equal(403);
    expect(await status('null')).to.equal(403);
    expect(await status(`http://${HOST}:${port}`)).to.equal(101);
  });
});
