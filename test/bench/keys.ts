import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import bcrypt from 'bcryptjs';
import winston from 'winston';
import { parseApiKey } from '../../api/auth/api-key.js';
import { addKey, openKeyFile } from '../../api/auth/key-file.js';
import { KeyRing } from '../../api/auth/key-ring.js';
import { systemClock } from '../../shared/clock.js';
import { printTable } from './table.js';

/** What an API key costs a request: at first, and once it was verified, beside bcryptjs at each request. */
const ROUNDS = 10_000;
const BARE_ROUNDS = 20;

const folder = await mkdtemp(path.join(tmpdir(), 'berth-bench-keys-'));
try {
  const file = path.join(folder, 'keys.yaml');
  const text = await addKey(file, { name: 'bench', scope: 'admin' }, new Date());
  const key = parseApiKey(text)!;
  const hash = (await openKeyFile(file).read())!.keys[key.id]!.hash;
  const logger = winston.createLogger({ silent: true });
  const ring = new KeyRing({ file, fromEnvironment: new Map(), clock: systemClock, logger });

  const timed = async (rounds: number, work: () => Promise<unknown>) => {
    const began = performance.now();
    for (let round = 0; round < rounds; round++) await work();
    return (performance.now() - began) / rounds;
  };
  const first = await timed(1, () => ring.verify(text));
  const verified = await timed(ROUNDS, () => ring.verify(text));
  const bare = await timed(BARE_ROUNDS, () => bcrypt.compare(key.secret, hash));
  console.log('\nAn API key, ms a request');
  printTable(
    ['', 'ms', 'of bcryptjs each time'],
    [
      ['first request', first, first / bare],
      ['verified before', verified, verified / bare],
      ['bcryptjs each time', bare, 1],
    ],
    1,
  );
  console.log(`verified before: ${(verified * 1000).toFixed(0)} µs (goal: below 200 µs)`);
} finally {
  await rm(folder, { recursive: true, force: true });
}
