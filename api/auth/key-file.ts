import { open, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import bcrypt from 'bcryptjs';
import * as z from 'zod';
import { sleep } from '../../shared/clock.js';
import { BerthError, codeOf } from '../../shared/errors.js';
import { yamlCodec } from '../../shared/store/codec.js';
import { RecordFile } from '../../shared/store/record-file.js';
import { labelMapSchema } from '../../shared/model/desired.js';
import { BCRYPT_HASH, formatApiKey, KEY_ID, newApiKey } from './api-key.js';
import { scopeSchema } from './permissions.js';
import { placeSchema } from './places.js';

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
  /** Keys of before there were scopes may do everything. */
  scope: scopeSchema.default('admin'),
  expiresAt: z.iso.datetime().optional(),
  /** It sees only workspaces that have all of these. */
  labels: labelMapSchema.optional(),
  /** Where it may start workspaces. */
  buckets: z.array(placeSchema).optional(),
});

/** A map by id, not a list: an id cannot occur twice, and comments at other keys survive `keys add`. */
const keyFileSchema = z.strictObject({
  keys: z.record(z.string().regex(KEY_ID, 'not a key id'), entrySchema),
});

export type KeyFile = z.infer<typeof keyFileSchema>;
export type KeyEntry = z.infer<typeof entrySchema>;
export const keyNameSchema = entrySchema.shape.name;

/** `keys.yaml`: the hashes of the API keys (R10.5, R10.6). */
export function openKeyFile(file: string): RecordFile<KeyFile> {
  return new RecordFile(file, yamlCodec, keyFileSchema, PERMISSIONS);
}

/** What somebody who makes a key says about it. */
export type KeyWish = Pick<KeyEntry, 'name' | 'scope' | 'expiresAt' | 'labels' | 'buckets'>;

/**
 * Makes a key and stores its hash.
 *
 * @returns the key in clear, which is kept nowhere
 * @throws BerthError `BERTH_KEY_FILE_LOCKED`, `InvalidRecordError` when the file is broken
 */
export async function addKey(file: string, wish: KeyWish, now: Date): Promise<string> {
  const { key, entry } = await newEntry(wish, now);
  await change(file, (keys) => ({ ...keys, [key.id]: entry }));
  return formatApiKey(key);
}

/**
 * Withdraws a key, which takes effect at the next request.
 *
 * @throws BerthError `BERTH_KEY_UNKNOWN` and as `addKey`
 */
export async function revokeKey(file: string, id: string): Promise<void> {
  await change(file, (keys) => {
    entryOf(keys, id);
    return Object.fromEntries(Object.entries(keys).filter(([other]) => other !== id));
  });
}

/**
 * Makes a key that may do what another one may, which expires after a time of grace.
 *
 * @returns the new key in clear
 * @throws BerthError `BERTH_KEY_UNKNOWN` and as `addKey`
 */
export async function rotateKey(file: string, id: string, graceMs: number, now: Date): Promise<string> {
  const before = entryOf((await openKeyFile(file).read())?.keys ?? {}, id);
  const { key, entry } = await newEntry(before, now);
  await change(file, (keys) => {
    const old = entryOf(keys, id);
    const end = new Date(now.getTime() + graceMs).toISOString();
    const expiresAt = old.expiresAt !== undefined && old.expiresAt < end ? old.expiresAt : end;
    return { ...keys, [id]: { ...old, expiresAt }, [key.id]: entry };
  });
  return formatApiKey(key);
}

async function newEntry({ name, scope, expiresAt, labels, buckets }: KeyWish, now: Date) {
  const key = newApiKey();
  const hash = await bcrypt.hash(key.secret, COST);
  const entry: KeyEntry = {
    ...{ name, hash, createdAt: now.toISOString(), scope },
    ...(expiresAt !== undefined && { expiresAt }),
    ...(labels !== undefined && { labels }),
    ...(buckets !== undefined && { buckets }),
  };
  return { key, entry };
}

type Keys = KeyFile['keys'];

function entryOf(keys: Keys, id: string): KeyEntry {
  const entry = keys[id];
  if (entry === undefined)
    throw new BerthError('BERTH_KEY_UNKNOWN', `There is no key "${id}"; see "keys list".`);
  return entry;
}

async function change(file: string, decide: (keys: Keys) => Keys): Promise<void> {
  const record = openKeyFile(file);
  await exclusively(file, async () => {
    const { keys } = (await record.read()) ?? { keys: {} };
    await record.write({ keys: decide(keys) });
  });
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
