import net from 'node:net';

/** Development servers listen on `localhost`, which is either of them. */
const ADDRESSES = ['127.0.0.1', '::1'];
const TIMEOUT_MS = 5_000;

/**
 * Connects to the user's app, wherever on loopback it listens.
 *
 * @returns null when nothing listens
 */
export async function dial(port: number): Promise<net.Socket | null> {
  for (const host of ADDRESSES) {
    const socket = await connect(host, port);
    if (socket !== null) return socket;
  }
  return null;
}

function connect(host: string, port: number): Promise<net.Socket | null> {
  return new Promise((resolve) => {
    const socket = net.connect({ host, port, noDelay: true });
    const timer = setTimeout(() => fail(), TIMEOUT_MS);
    const fail = () => {
      clearTimeout(timer);
      socket.destroy();
      resolve(null);
    };
    socket.once('error', fail);
    socket.once('connect', () => {
      clearTimeout(timer);
      socket.off('error', fail);
      resolve(socket);
    });
  });
}
