import { rmSync } from 'node:fs';
import net from 'node:net';

const VERSION = 'RFB 003.008\n';
const NAME = 'testspace';
const WIDTH = 64;
const HEIGHT = 48;

/** What comes next from the client, and how many bytes of it there are at least. */
type Stage = 'version' | 'security' | 'init' | 'messages';
const LENGTH: Record<Stage, number> = { version: 12, security: 1, init: 1, messages: 0 };

/** A VNC server that says hello properly (RFB 3.8, no authentication) and then shows nothing. */
export async function startRfbStandIn(socketPath: string): Promise<net.Server> {
  rmSync(socketPath, { force: true });
  const server = net.createServer((client) => greet(client));
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(socketPath, resolve);
  });
  return server;
}

function greet(client: net.Socket): void {
  let stage: Stage = 'version';
  let received = Buffer.alloc(0);
  client.on('error', () => client.destroy());
  client.on('data', (chunk) => {
    received = Buffer.concat([received, chunk]);
    while (stage !== 'messages' && received.length >= LENGTH[stage]) {
      received = received.subarray(LENGTH[stage]);
      stage = reply(client, stage);
    }
    if (stage === 'messages') received = Buffer.alloc(0);
  });
  client.write(VERSION);
}

function reply(client: net.Socket, stage: Exclude<Stage, 'messages'>): Stage {
  switch (stage) {
    case 'version':
      // One security type: 1, none.
      client.write(Buffer.from([1, 1]));
      return 'security';
    case 'security':
      // SecurityResult: ok.
      client.write(Buffer.alloc(4));
      return 'init';
    case 'init':
      client.write(serverInit());
      return 'messages';
  }
}

/** Size, pixel format (32 bits, 24 deep, true colour) and name of the desktop. */
function serverInit(): Buffer {
  const head = Buffer.alloc(24);
  head.writeUInt16BE(WIDTH, 0);
  head.writeUInt16BE(HEIGHT, 2);
  head.set([32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0], 4);
  head.writeUInt32BE(NAME.length, 20);
  return Buffer.concat([head, Buffer.from(NAME)]);
}
