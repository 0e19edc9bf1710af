import { randomBytes } from 'node:crypto';
import { Berth, Bucket } from '../support/berth.js';
import { execIn } from '../support/swarm.js';
import { printTable } from './table.js';

/**
 * What the agent costs while nobody works: CPU and memory over a minute in a workspace of 5,000 files,
 * beside a bare Node process that does nothing, in the same container over the same time.
 */
const SECONDS = Number(process.env['BERTH_BENCH_IDLE_SECONDS'] ?? 60);
const FILES = 5_000;

interface Usage {
  /** Milliseconds since the process began. */
  cpu: number;
  /** KiB that are its own or its share: VmRSS counts Node's own program whole. */
  rss: number;
}

const berth = new Berth();
const bucket = new Bucket(berth, `bench-${randomBytes(4).toString('hex')}`);
try {
  await bucket.create();
  const { containerId: id } = await berth.start({ bucketId: bucket.name });
  const container = await berth.containerOf(id);
  await berth.shell(
    id,
    `for d in $(seq 100); do mkdir /workspace/d$d; for f in $(seq ${FILES / 100}); do echo $d $f > /workspace/d$d/f$f; done; done`,
  );
  let sync;
  do {
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    ({ sync } = await berth.view(id));
  } while (sync === null || sync.files < FILES || sync.pendingFiles > 0);
  // The home's own sync, and files that are read once more.
  await new Promise((resolve) => setTimeout(resolve, 60_000));
  const idle = ['bash', '-c', 'nohup node -e "setInterval(() => {}, 1e6)" >/dev/null 2>&1 & echo $!'];
  const pids = {
    agent: (
      await execIn(container, ['pgrep', '-f', '^/usr/local/bin/node /opt/berth/agent.mjs'], 'root')
    ).trim(),
    'bare Node': (await execIn(container, idle, 'root')).trim(),
  };
  const usage = async (pid: string): Promise<Usage> => {
    const read = `cat /proc/${pid}/stat; grep VmRSS /proc/${pid}/status; getconf CLK_TCK`;
    const [stat = '', rss = '', ticks = ''] = (await execIn(container, ['bash', '-c', read], 'root')).split(
      '\n',
    );
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const spent = Number(fields[11]) + Number(fields[12]);
    return { cpu: (spent * 1_000) / Number(ticks), rss: Number(/\d+/.exec(rss)?.[0]) };
  };
  await new Promise((resolve) => setTimeout(resolve, 5_000));
  const all = () => Promise.all(Object.values(pids).map(usage));
  const [before, begun] = [await all(), performance.now()];
  await new Promise((resolve) => setTimeout(resolve, SECONDS * 1_000));
  const [after, took] = [await all(), performance.now() - begun];
  printTable(
    [`idle for ${SECONDS} s, ${FILES} files`, '% of a core', 'RSS MiB'],
    Object.keys(pids).map((name, i): [string, ...number[]] => [
      name,
      (((after[i]?.cpu ?? NaN) - (before[i]?.cpu ?? NaN)) / took) * 100,
      (after[i]?.rss ?? NaN) / 1024,
    ]),
    1,
  );
  await berth.remove(id);
} finally {
  bucket.close();
  berth.close();
}
