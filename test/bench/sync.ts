import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { ADMIN, imagesNode, Seaweed, toolProgram } from '../support/agent/seaweed.js';
import { printTable, summaryOf } from './table.js';

/**
 * The agent's sync beside `rclone sync` and `aws s3 sync`, turn by turn on the same S3 server: initial
 * upload and download of a tree. Each run is a process of its own, its start included.
 */
const ROUNDS = Number(process.env['BERTH_BENCH_SYNC_ROUNDS'] ?? 3);
const TREES = [
  { name: '5,000 x 4 KB', files: 5000, bytes: 4096 },
  { name: '1 x 500 MB', files: 1, bytes: 500e6 },
  ...(process.env['BERTH_BENCH_LARGE'] === '1'
    ? [{ name: '50,000 x 1 KB', files: 50_000, bytes: 1024 }]
    : []),
];

interface Measured {
  wall: number;
  cpu: number;
  rss: number;
  requests: number;
  out: string;
}

const run = promisify(execFile);
const here = path.dirname(new URL(import.meta.url).pathname);
const weed = new Seaweed();
const work = mkdtempSync(path.join(tmpdir(), 'berth-bench-'));
const env = () => ({
  ...process.env,
  AWS_ACCESS_KEY_ID: ADMIN.accessKeyId,
  AWS_SECRET_ACCESS_KEY: ADMIN.secretAccessKey,
  AWS_DEFAULT_REGION: 'us-east-1',
  RCLONE_CONFIG_B_TYPE: 's3',
  RCLONE_CONFIG_B_PROVIDER: 'SeaweedFS',
  RCLONE_CONFIG_B_ENV_AUTH: 'true',
  RCLONE_CONFIG_B_ENDPOINT: weed.endpoint,
});

async function measured(command: string[]): Promise<Measured> {
  const before = await weed.requests();
  const { stdout } = await run('python3', [path.join(here, 'measure.py'), ...command], {
    env: env(),
    maxBuffer: 1 << 26,
  });
  return { ...(JSON.parse(stdout) as Measured), requests: (await weed.requests()) - before };
}

/** With the Node that the images have, and its settings. */
const node = [imagesNode(), '--max-semi-space-size=4'];
const berth = (folder: string, bucket: string) => [
  ...['env', 'MALLOC_ARENA_MAX=2', ...node],
  ...[path.join(work, 'sync-once.mjs'), path.dirname(folder), weed.endpoint, bucket],
];
const rclone = (from: string, to: string) => [
  ...[toolProgram('rclone'), 'sync', '--fast-list', '--transfers', '32', '--checkers', '32', from, to],
];
const aws = (from: string, to: string) => [
  ...[toolProgram('aws'), 's3', 'sync', '--only-show-errors', '--endpoint-url', weed.endpoint, from, to],
];

/** Commands of one tool: from a folder into a bucket, and from a bucket into a folder. */
const TOOLS: Record<string, { up: Command; down: Command }> = {
  berth: { up: berth, down: berth },
  'rclone 32': {
    up: (folder, bucket) => rclone(folder, `b:${bucket}`),
    down: (folder, bucket) => rclone(`b:${bucket}`, folder),
  },
  'aws s3 sync': {
    up: (folder, bucket) => aws(folder, `s3://${bucket}`),
    down: (folder, bucket) => aws(`s3://${bucket}`, folder),
  },
};
type Command = (folder: string, bucket: string) => string[];

function makeTree(folder: string, files: number, bytes: number): void {
  for (let number = 0; number < files; number++) {
    const part = path.join(folder, `d${Math.floor(number / 50)}`);
    if (number % 50 === 0) mkdirSync(part, { recursive: true });
    writeFileSync(path.join(part, `f${number}`), randomBytes(bytes));
  }
}

async function bench(tree: (typeof TREES)[number]): Promise<void> {
  const found = new Map<string, Measured[]>();
  const quiet: Measured[] = [];
  const note = (what: string, value: Measured) => found.set(what, [...(found.get(what) ?? []), value]);
  for (let round = 1; round <= ROUNDS; round++) {
    for (const [name, { up, down }] of Object.entries(TOOLS)) {
      const bucket = `b${randomBytes(5).toString('hex')}`;
      await weed.client(bucket).createBucket();
      const source = path.join(work, bucket, 'up', 'files');
      makeTree(source, tree.files, tree.bytes);
      note(`${name}, upload`, await measured(up(source, bucket)));
      const target = path.join(work, bucket, 'down', 'files');
      mkdirSync(target, { recursive: true });
      note(`${name}, download`, await measured(down(target, bucket)));
      await run('diff', ['-r', source, target]);
      if (name === 'berth') quiet.push(await measured([...up(source, bucket), 'quiet']));
      // ext4 makes files slowly for half a minute after many were removed; that would be the next tool's.
      if (tree.files === 1) rmSync(path.join(work, bucket), { recursive: true });
    }
  }
  const median = (values: Measured[], key: 'wall' | 'cpu' | 'rss' | 'requests') =>
    summaryOf(values.map((value) => value[key])).median;
  const rows = [...found].map(([what, values]): [string, ...number[]] => {
    const peer = found.get(what.replace(/^[^,]*/, 'rclone 32')) ?? [];
    const ratio = median(values, 'wall') / median(peer, 'wall');
    return [what, ratio, ...(['wall', 'cpu', 'rss', 'requests'] as const).map((key) => median(values, key))];
  });
  printTable([tree.name, 'x rclone', 'wall s', 'cpu s', 'MiB', 'requests'], rows, 1);
  const cycle = summaryOf(quiet.map(({ out }) => Number(out))).median;
  console.log(`a cycle that finds nothing: ${cycle.toFixed(1)} ms CPU\n`);
}

try {
  await run('npx', [
    ...['--no-install', 'esbuild', path.join(here, 'sync-once.ts'), '--bundle', '--platform=node'],
    ...['--format=esm', `--outfile=${path.join(work, 'sync-once.mjs')}`],
    "--banner:js=import{createRequire as __cr}from'node:module';const require=__cr(import.meta.url);",
  ]);
  await weed.start();
  for (const tree of TREES) await bench(tree);
} finally {
  await weed.stop();
  rmSync(work, { recursive: true, force: true });
}
