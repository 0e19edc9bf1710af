import { open, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import bcrypt from 'bcryptjs';
import * as z from 'zod';
import { sleep } from '../../shared/clock.js';
import { BerthError, codeOf } from '../../shared/errors.js';
import { yamlCodec } from '../../shared/store/codec.js';
import { RecordFile } from '../../shared/store/record-file.js';
import { BCRYPT_HASH, formatApiKey, KEY_ID, newApiKey } from './api-key.js';

/** A secret of 190 bits needs no costly hash; 10 is bcrypt's common minimum. */
const COST = 10;
/** Hashes are for the API alone. */
const PERMISSIONS = 0o600;
const LOCK_TRIES = 100;
const LOCK_WAIT_MS = 50;
/** A lock is held for milliseconds; one this old belongs to a process that was killed. */
const LOCK_STALE_MS = 10_000;

const entrySchema = z.strictObject({
  name: z
    .string()
    .regex(
      /^[A-Za-z0-9][A-Za-z0-9 ._@-]{0,63}$/,
      'a name has 1 to 64 letters, digits, spaces, ".", "_", "@" or "-" and starts with a letter or digit',
    ),
  hash: z.string().regex(BCRYPT_HASH, 'not a bcrypt hash of cost 4 to 14'),
  createdAt: z.iso.datetime(),
});

/** A map by id, not a list: an id cannot occur twice, and comments at other keys survive `keys add`. */
const keyFileSchema = z.strictObject({
  keys: z.record(z.string().regex(KEY_ID, 'not a key id'), entrySchema),
});

export type KeyFile = z.infer<typeof keyFileSchema>;
export const keyNameSchema = entrySchema.shape.name;

/** `keys.yaml`: the hashes of the API keys (R10.5, R10.6). */
export function openKeyFile(file: string): RecordFile<KeyFile> {
  return new RecordFile(file, yamlCodec, keyFileSchema, PERMISSIONS);
}

/**
 * Makes a key and stores its hash.
 *
 * @returns the key in clear, which is kept nowhere
 * @throws BerthError `BERTH_KEY_FILE_LOCKED`, `InvalidRecordError` when the file is broken
 */
export async function addKey(file: string, name: string, now: Date): Promise<string> {
  const key = newApiKey();
  const hash = await bcrypt.hash(key.secret, COST);
  const record = openKeyFile(file);
  await exclusively(file, async () => {
    const { keys } = (await record.read()) ?? { keys: {} };
    await record.write({ keys: { ...keys, [key.id]: { name, hash, createdAt: now.toISOString() } } });
  });
  return formatApiKey(key);
}

/** Two commands at once must not lose one of two keys that were both printed. */
async function exclusively(file: string, task: () => Promise<void>): Promise<void> {
  const lock = path.join(path.dirname(file), `.${path.basename(file)}.lock`);
  for (let tries = 1; !(await acquire(lock)); tries++) {
    if (tries >= LOCK_TRIES) {
      throw new BerthError(
        'BERTH_KEY_FILE_LOCKED',
        `${lock} is held by another command; try again, or remove it when there is none`,
      );
    }
    await sleep(LOCK_WAIT_MS);
  }
  try {
    await task();
  } finally {
    await rm(lock, { force: true });
  }
}

async function acquire(lock: string): Promise<boolean> {
  try {
    await (await open(lock, 'wx', PERMISSIONS)).close();
    return true;
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
  }
  const age = await stat(lock).then(
    ({ mtimeMs }) => Date.now() - mtimeMs,
    () => 0,
  );
  if (age > LOCK_STALE_MS) await rm(lock, { force: true });
  return false;
}
