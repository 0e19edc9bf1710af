import { once } from 'node:events';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { expect } from 'chai';
import { connectEngine } from '../../../controller/adapters/docker/engine.js';

const HEAD = 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n';

describe('Controller: an engine that answers by half', () => {
  let engine: Server;
  let host: string | undefined;
  let answer: (end: () => void) => void;

  beforeEach(async () => {
    host = process.env['DOCKER_HOST'];
    engine = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.once('data', () => {
        socket.write(`${HEAD}[{"Id":`);
        answer(() => socket.destroy());
      });
    }).listen(0, '127.0.0.1');
    await once(engine, 'listening');
    process.env['DOCKER_HOST'] = `tcp://127.0.0.1:${(engine.address() as AddressInfo).port}`;
  });
  afterEach(() => {
    if (host === undefined) delete process.env['DOCKER_HOST'];
    else process.env['DOCKER_HOST'] = host;
    engine.close();
  });

  for (const [how, then] of [
    ['dies', (end: () => void) => setTimeout(end, 20)],
    ['falls silent', () => undefined],
  ] as const) {
    it(`is a failure like any other when it ${how}`, async () => {
      answer = then;
      const outcome = await connectEngine(300)
        .listServices()
        .then(
          () => 'an answer',
          (error: Error) => error.message,
        );
      expect(outcome).to.contain('did not answer to the end');
    });
  }
});
