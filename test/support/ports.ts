import net from 'node:net';

/** Ports of loopback. Each is given once, however long it takes until somebody listens there. */
const given = new Set<number>();
const A_WORKERS = 3_000;
/** Workers of mocha that run side by side choose from ranges of their own. */
const FIRST = 12_000 + A_WORKERS * (Number(process.env.MOCHA_WORKER_ID ?? 0) % 2);

/**
 * SeaweedFS also opens each port + 10000, so both have to be free. Both are below the ports that the kernel gives to
 * connections (32768 and up): a connection of another test could take a port between a kill and the start after it.
 */
export async function freePorts(count: number): Promise<number[]> {
  const found: number[] = [];
  while (found.length < count) {
    const port = FIRST + Math.floor(Math.random() * A_WORKERS);
    if (given.has(port)) continue;
    given.add(port);
    if ((await isFree(port)) && (await isFree(port + 10_000))) found.push(port);
  }
  return found;
}

async function isFree(port: number): Promise<boolean> {
  const server = net.createServer();
  return new Promise((resolve) => {
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
