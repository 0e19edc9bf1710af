import { once } from 'node:events';
import http from 'node:http';
import { WebSocketServer } from 'ws';

/** Ports of a workspace, and one for what stands for API and controller. */
const PORTS = [8080, 6080, 3080, 3999];

/**
 * A server of a test on a loopback address of its own, at the ports where the gateway looks for a workspace.
 * Its websockets echo.
 */
export class Backend {
  /** One of some 16 million addresses, so that nobody else's ports are in the way. */
  readonly address = `127.${[1, 2, 3].map(() => 1 + Math.floor(Math.random() * 253)).join('.')}`;
  readonly url = `http://${this.address}:3999`;
  private readonly servers: http.Server[];

  constructor(listener: http.RequestListener) {
    this.servers = PORTS.map(() => http.createServer(listener));
    for (const server of this.servers) {
      const sockets = new WebSocketServer({ server });
      sockets.on('connection', (socket) => socket.on('message', (data: Buffer) => socket.send(data)));
    }
  }

  async start(): Promise<void> {
    await Promise.all(
      this.servers.map((server, index) => once(server.listen(PORTS[index], this.address), 'listening')),
    );
  }

  stop(): void {
    for (const server of this.servers) {
      server.closeAllConnections();
      server.close();
    }
  }
}
