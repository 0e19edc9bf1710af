import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { Berth, Bucket } from '../support/berth.js';
import { printTable } from './table.js';

/**
 * What the agent costs while nobody works: CPU and memory over a minute in a workspace of 5,000 files,
 * beside a bare Node process that does nothing, in the same container over the same time.
 */
const SECONDS = Number(process.env['BERTH_BENCH_IDLE_SECONDS'] ?? 60);
const FILES = 5_000;
/** Of the times in /proc: Linux counts in 1/100 s for programs, whatever its own clock. */
const MS_PER_TICK = 10;

const run = promisify(execFile);

interface Usage {
  /** Milliseconds since the process began. */
  cpu: number;
  /** KiB; Node's own program, which all share, counts whole. */
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
  const idle = `nohup node -e 'setInterval(() => {}, 1e6)' >/dev/null 2>&1 &`;
  await berth.shell(id, idle);
  const processes = (await run('docker', ['top', container, '-eo', 'pid,args'])).stdout.split('\n');
  const pidOf = (args: RegExp) => Number.parseInt(processes.find((line) => args.test(line)) ?? '', 10);
  const pids = {
    agent: pidOf(/^\s*\d+\s+\S*node .*agent\.mjs/),
    'bare Node': pidOf(/^\s*\d+\s+node -e setInterval/),
  };
  const usage = async (pid: number): Promise<Usage> => {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    const [user, system] = stat.slice(stat.lastIndexOf(')')).split(' ').slice(12);
    const rss = /VmRSS:\s*(\d+)/.exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1];
    return { cpu: (Number(user) + Number(system)) * MS_PER_TICK, rss: Number(rss) };
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
