import { randomBytes } from 'node:crypto';
import { Berth, Bucket } from '../support/berth.js';
import { BareDocker } from './bare-docker.js';
import { printTable, summaryOf } from './table.js';

/**
 * From the request to three URLs that answer: Berth's `POST …/start?wait=60` beside the same steps done by
 * hand with bare Docker calls (network, service, a Traefik with docker.sock attached to it, three routes
 * polled), turn by turn in one run. The bare one restores no files and keeps no records.
 */
const ROUNDS = Number(process.env['BERTH_BENCH_ROUNDS'] ?? 10);

const berth = new Berth();
const bucket = new Bucket(berth, `bench-${randomBytes(4).toString('hex')}`);
const bare = await BareDocker.open(`bb${randomBytes(3).toString('hex')}`);
const times = { berth: [] as number[], bare: [] as number[] };

async function timed(start: () => Promise<() => Promise<unknown>>): Promise<number> {
  const begin = performance.now();
  const remove = await start();
  const ms = performance.now() - begin;
  await remove();
  return ms;
}

try {
  await bucket.create();
  const startBerth = async () => {
    const { containerId } = await berth.start({ bucketId: bucket.name });
    return () => berth.remove(containerId);
  };
  // The first of each warms caches of the engine and is not counted.
  for (let round = 0; round <= ROUNDS; round++) {
    const [ours, theirs] = [await timed(startBerth), await timed(() => bare.start(`w${round}`))];
    if (round === 0) continue;
    times.berth.push(ours);
    times.bare.push(theirs);
  }
} finally {
  await bare.close();
  bucket.close();
  berth.close();
}

const [ours, theirs] = [summaryOf(times.berth), summaryOf(times.bare)];
printTable(
  ['start of a testspace, seconds', 'median', 'min', 'max'],
  [
    ['Berth: POST to 201, three URLs proven', ours.median, ours.min, ours.max],
    ['bare Docker calls and Traefik on docker.sock', theirs.median, theirs.min, theirs.max],
  ],
  1000,
);
console.log(`ratio of the medians ${(ours.median / theirs.median).toFixed(2)} (goal: at most 1.3)`);
