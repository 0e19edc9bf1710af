import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import bcrypt from 'bcryptjs';
import PQueue from 'p-queue';
import type { Clock } from '../../shared/clock.js';
import { codeOf, messageOf } from '../../shared/errors.js';
import type { Logger } from '../../shared/logger.js';
import { Problem, unauthenticated } from '../problem.js';
import { parseApiKey, type ApiKey } from './api-key.js';
import { openKeyFile, type KeyEntry } from './key-file.js';
import type { KeyOwner } from './permissions.js';

/** How long a verified key is believed without bcrypt. */
const CACHE_MS = 60_000;
/** Compares that may wait (each takes about 0.1 s); beyond that a flood of wrong keys is turned away. */
const MAX_WAITING = 50;
/** A salt and a digest that belong to no secret. */
const NO_DIGEST = 'CCCCCCCCCCCCCCCCCCCCC.' + '.'.repeat(31);

/** A key as the ring knows it: without its secret. */
interface KnownKey {
  owner: KeyOwner;
  hash: string;
  /** ms since 1970. */
  expiresAt: number;
}

export interface KeyRingOptions {
  file: string;
  /** Hashes by id from `BERTH_API_KEYS`; they win over keys of the same id in the file. */
  fromEnvironment: ReadonlyMap<string, string>;
  clock: Clock;
  logger: Logger;
  compare?: (secret: string, hash: string) => Promise<boolean>;
}

/** The API keys in force: from the file, read anew whenever it changes, and from the environment. */
export class KeyRing {
  private known: ReadonlyMap<string, KnownKey>;
  private fileVersion: string | null = null;
  private reading: Promise<void> | null = null;
  /** Verified keys by SHA-256: the clear text is not kept in memory. */
  private readonly verified = new Map<string, { key: KnownKey; until: number }>();
  private readonly pending = new Map<string, Promise<KeyOwner | null>>();
  /** bcryptjs computes on the one JavaScript thread: a second one at a time would gain nothing. */
  private readonly queue = new PQueue({ concurrency: 1 });

  constructor(private readonly options: KeyRingOptions) {
    this.known = fromEnvironment(options);
  }

  /** How many keys there are. */
  async size(): Promise<number> {
    await this.refresh();
    return this.known.size;
  }

  /**
   * @returns whom the key speaks for, or null when it is none of ours
   * @throws Problem `BERTH_UNAUTHENTICATED` when it has expired, `BERTH_BUSY` when too many wait to be compared
   */
  async verify(text: string): Promise<KeyOwner | null> {
    const key = parseApiKey(text);
    if (key === null) return null;
    await this.refresh();
    const digest = digestOf(text);
    const known = this.verified.get(digest);
    if (known && known.until > this.now()) return this.inForce(known.key);
    const running = this.pending.get(digest);
    if (running) return running;
    if (this.queue.size >= MAX_WAITING) {
      throw new Problem('BERTH_BUSY', 'Too many keys are waiting to be checked; try again shortly.', {
        headers: { 'Retry-After': '1' },
      });
    }
    const run = this.compare(key, digest).finally(() => {
      if (this.pending.get(digest) === run) this.pending.delete(digest);
    });
    this.pending.set(digest, run);
    return run;
  }

  /** Whether a key was verified lately, and would be let in without being compared. */
  believes(text: string): boolean {
    const known = this.verified.get(digestOf(text));
    return known !== undefined && known.until > this.now() && known.key.expiresAt > this.now();
  }

  /** Whom a key speaks for that was verified before; null when it is not in force any more. */
  async owner(id: string): Promise<KeyOwner | null> {
    await this.refresh();
    const key = this.known.get(id);
    return key !== undefined && key.expiresAt > this.now() ? key.owner : null;
  }

  private inForce({ owner, expiresAt }: KnownKey): KeyOwner {
    if (expiresAt > this.now()) return owner;
    throw unauthenticated(`The API key ${owner.id} has expired.`);
  }

  private async compare(key: ApiKey, digest: string): Promise<KeyOwner | null> {
    const { known } = this;
    const found = known.get(key.id);
    const compare = this.options.compare ?? bcrypt.compare.bind(bcrypt);
    // An unknown id costs as much as a known one, so that the time does not tell which ids there are.
    const matches = await this.queue.add(() => compare(key.secret, found?.hash ?? decoyFor(known)));
    if (found === undefined || !matches) return null;
    // A key that was withdrawn during the comparison must not be believed for a minute more.
    if (known === this.known) this.verified.set(digest, { key: found, until: this.now() + CACHE_MS });
    return this.inForce(found);
  }

  private refresh(): Promise<void> {
    this.reading ??= this.readIfChanged().finally(() => (this.reading = null));
    return this.reading;
  }

  private async readIfChanged(): Promise<void> {
    const { file, logger } = this.options;
    try {
      const version = await versionOf(file);
      if (version === this.fileVersion) return;
      // Set first: a broken file is complained about once, not at each request.
      this.fileVersion = version;
      const content = version === null ? null : await openKeyFile(file).read();
      this.replace(Object.entries(content?.keys ?? {}).map(([id, entry]) => [id, knownKey(id, entry)]));
      logger.info('API keys read', { count: this.known.size });
    } catch (error) {
      logger.error('the key file cannot be used; the keys read before stay in force', {
        file,
        error: messageOf(error),
      });
    }
  }

  private replace(fromFile: [string, KnownKey][]): void {
    this.known = new Map([...fromFile, ...fromEnvironment(this.options)]);
    this.verified.clear();
    // Comparisons with the former keys are not shared with later callers.
    this.pending.clear();
  }

  private now(): number {
    return this.options.clock.now().getTime();
  }
}

const digestOf = (text: string) => createHash('sha256').update(text).digest('hex');

function knownKey(id: string, { hash, scope, labels = {}, buckets, expiresAt }: KeyEntry): KnownKey {
  const owner = { id, scope, labels, ...(buckets !== undefined && { buckets }) };
  return { owner, hash, expiresAt: expiresAt === undefined ? Infinity : Date.parse(expiresAt) };
}

/** These say nothing but their hash: they may do everything, for ever. */
function fromEnvironment({ fromEnvironment: hashes }: KeyRingOptions): Map<string, KnownKey> {
  const keys = [...hashes].map(([id, hash]): [string, KnownKey] => {
    return [id, { owner: { id, scope: 'admin', labels: {} }, hash, expiresAt: Infinity }];
  });
  return new Map(keys);
}

/** A hash that nothing matches, as costly as the costliest of the real ones. */
function decoyFor(known: ReadonlyMap<string, KnownKey>): string {
  const costs = [...known.values()].map(({ hash }) => hash.slice(4, 6)).sort();
  return `$2b$${costs.at(-1) ?? '10'}$${NO_DIGEST}`;
}

/** Changes whenever the file is written to or replaced; null when there is none. */
async function versionOf(file: string): Promise<string | null> {
  try {
    // ctime too: a file that could not be read is tried again after its mode was mended.
    const { ino, size, mtimeNs, ctimeNs } = await stat(file, { bigint: true });
    return `${ino}:${size}:${mtimeNs}:${ctimeNs}`;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null;
    throw error;
  }
}
