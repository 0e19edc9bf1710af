import path from 'node:path';
import { silentLogger } from '../../shared/logger.js';
import { S3Client } from '../../shared/s3/client.js';
import { RACY_WINDOW_MS } from '../../agent/sync/diff.js';
import { SyncEngine } from '../../agent/sync/engine.js';

/**
 * What an agent does with a folder, once, as a process of its own: `sync-once <folder> <endpoint> <bucket>`.
 * The bucket is restored, and one cycle sends what is new. With `quiet` after that, some more cycles
 * follow, and the CPU milliseconds of one that finds nothing are printed.
 */
const [folder = '', endpoint = '', bucket = '', quiet] = process.argv.slice(2);
const s3 = new S3Client({
  bucket,
  endpoint,
  region: 'us-east-1',
  accessKeyId: process.env['AWS_ACCESS_KEY_ID'] ?? '',
  secretAccessKey: process.env['AWS_SECRET_ACCESS_KEY'] ?? '',
});
const engine = await SyncEngine.open(
  {
    workspaceDir: path.join(folder, 'files'),
    stateDir: path.join(folder, 'state'),
    prefix: '',
    owner: null,
    createBucket: false,
  },
  s3,
  silentLogger(),
);
await engine.restore(AbortSignal.timeout(600_000), (message) => {
  throw new Error(message);
});
await engine.cycle();
const { error, pendingFiles } = engine.status();
if (error !== null || pendingFiles > 0) throw new Error(`not synced: ${error}`);
if (quiet === 'quiet') {
  // Files that were read right after they were written are read once more, later.
  await new Promise((resolve) => setTimeout(resolve, RACY_WINDOW_MS + 500));
  for (let warm = 0; warm < 3; warm++) await engine.cycle();
  const before = process.cpuUsage();
  await engine.cycle();
  const { user, system } = process.cpuUsage(before);
  process.stdout.write(String((user + system) / 1000));
}
s3.close();
