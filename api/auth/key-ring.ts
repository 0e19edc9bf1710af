import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import bcrypt from 'bcryptjs';
import PQueue from 'p-queue';
import type { Clock } from '../../shared/clock.js';
import { codeOf, messageOf } from '../../shared/errors.js';
import type { Logger } from '../../shared/logger.js';
import { Problem } from '../problem.js';
import { parseApiKey, type ApiKey } from './api-key.js';
import { openKeyFile } from './key-file.js';

/** How long a verified key is believed without bcrypt. */
const CACHE_MS = 60_000;
/** Compares that may wait (each takes about 0.1 s); beyond that a flood of wrong keys is turned away. */
const MAX_WAITING = 50;
/** A salt and a digest that belong to no secret. */
const NO_DIGEST = 'CCCCCCCCCCCCCCCCCCCCC.' + '.'.repeat(31);

/** Whom a key speaks for. */
export interface KeyOwner {
  id: string;
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
  private hashes: ReadonlyMap<string, string>;
  private fileVersion: string | null = null;
  private reading: Promise<void> | null = null;
  /** Verified keys by SHA-256: the clear text is not kept in memory. */
  private readonly verified = new Map<string, { owner: KeyOwner; until: number }>();
  private readonly pending = new Map<string, Promise<KeyOwner | null>>();
  /** bcryptjs computes on the one JavaScript thread: a second one at a time would gain nothing. */
  private readonly queue = new PQueue({ concurrency: 1 });

  constructor(private readonly options: KeyRingOptions) {
    this.hashes = options.fromEnvironment;
  }

  /** How many keys there are. */
  async size(): Promise<number> {
    await this.refresh();
    return this.hashes.size;
  }

  /**
   * @returns whom the key speaks for, or null when it is none of ours
   * @throws Problem `BERTH_BUSY` when too many keys wait to be compared
   */
  async verify(text: string): Promise<KeyOwner | null> {
    const key = parseApiKey(text);
    if (key === null) return null;
    await this.refresh();
    const digest = createHash('sha256').update(text).digest('hex');
    const known = this.verified.get(digest);
    if (known && known.until > this.now()) return known.owner;
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

  private async compare(key: ApiKey, digest: string): Promise<KeyOwner | null> {
    const hashes = this.hashes;
    const hash = hashes.get(key.id);
    const compare = this.options.compare ?? bcrypt.compare.bind(bcrypt);
    // An unknown id costs as much as a known one, so that the time does not tell which ids there are.
    const matches = await this.queue.add(() => compare(key.secret, hash ?? decoyFor(hashes)));
    if (hash === undefined || !matches) return null;
    const owner = { id: key.id };
    // A key that was withdrawn during the comparison must not be believed for a minute more.
    if (hashes === this.hashes) this.verified.set(digest, { owner, until: this.now() + CACHE_MS });
    return owner;
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
      this.replace(Object.entries(content?.keys ?? {}).map(([id, entry]) => [id, entry.hash]));
      logger.info('API keys read', { count: this.hashes.size });
    } catch (error) {
      logger.error('the key file cannot be used; the keys read before stay in force', {
        file,
        error: messageOf(error),
      });
    }
  }

  private replace(fromFile: [string, string][]): void {
    this.hashes = new Map([...fromFile, ...this.options.fromEnvironment]);
    this.verified.clear();
    // Comparisons with the former keys are not shared with later callers.
    this.pending.clear();
  }

  private now(): number {
    return this.options.clock.now().getTime();
  }
}

/** A hash that nothing matches, as costly as the costliest of the real ones. */
function decoyFor(hashes: ReadonlyMap<string, string>): string {
  const costs = [...hashes.values()].map((hash) => hash.slice(4, 6)).sort();
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
