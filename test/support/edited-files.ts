import { createHash } from 'node:crypto';
import { AssertionError, expect } from 'chai';
import type { Berth, Bucket } from './berth.js';

export const random = (below: number) => Math.floor(Math.random() * below);
export const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

/** Repeats what a kill broke off; what the tests find wrong stays wrong. */
export async function persistently<T>(work: () => Promise<T>, tries = 240): Promise<T> {
  for (let left = tries; ; left--) {
    try {
      return await work();
    } catch (error) {
      if (left <= 1 || error instanceof AssertionError) throw error;
      await pause(1_000);
    }
  }
}

/**
 * Files of a workspace, as its user left them: what was acknowledged has to be there for ever. Only a
 * deletion is no promise: an agent that is killed right after it sent a version, before it noted that, takes
 * the object for somebody else's at its next start, and the file comes back (docs/sync.md, what a crash leaves).
 */
export class EditedFiles {
  /** Path → SHA-256. */
  private readonly files = new Map<string, string>();
  /** Path → the SHA-256 of all that it has been, of those removed since the last look at the bucket. */
  private readonly removed = new Map<string, Set<string>>();
  private readonly versions = new Map<string, Set<string>>();

  /** How many came back. */
  returned = 0;

  constructor(
    private readonly berth: Berth,
    private readonly bucket: Bucket,
    private readonly prefix: string,
  ) {}

  /** Writes, replaces and removes some files as the user. */
  async edit(id: string, mark: string): Promise<void> {
    for (let step = 0; step < 4; step++) {
      const name = `d${random(3)}/f${random(8)}`;
      const text = `${mark} ${step} ${'x'.repeat(random(20_000))}\n`;
      await persistently(async () => {
        if (this.files.has(name) && step === 3) {
          await this.berth.shell(id, `rm -f /workspace/${name}`);
          this.files.delete(name);
          this.removed.set(name, this.versions.get(name) ?? new Set());
          return;
        }
        const file = `/workspace/${name}`;
        await this.berth.shell(id, `mkdir -p $(dirname ${file}) && printf '%s' '${text}' > ${file}`);
        this.wrote(name, sha256(text));
      });
    }
  }

  private wrote(name: string, sum: string): void {
    this.files.set(name, sum);
    this.removed.delete(name);
    this.versions.set(name, (this.versions.get(name) ?? new Set()).add(sum));
  }

  /** From here on it is a file like the others. */
  private acceptReturned(name: string, sum: string): void {
    if (this.files.has(name) || this.removed.get(name)?.has(sum) !== true) return;
    this.wrote(name, sum);
    this.returned += 1;
  }

  async expectOnDisk(id: string): Promise<void> {
    const script = `cd /workspace && find . -type f ! -name '.berth-tmp-*' -printf '%P\\0' | xargs -0 -r sha256sum`;
    const found = await persistently(() => this.berth.shell(id, script), 120);
    const lines = found.split('\n').filter((line) => line !== '');
    const sums = lines.map((line): [string, string] => [line.slice(66), line.slice(0, 64)]);
    for (const [name, sum] of sums) this.acceptReturned(name, sum);
    expect(Object.fromEntries(sums)).to.deep.equal(Object.fromEntries(this.files));
  }

  async expectInBucket(): Promise<void> {
    const found = await persistently(() => this.bucket.keys(`${this.prefix}/`));
    const keys = found
      .map((key) => key.slice(this.prefix.length + 1))
      .filter((key) => !key.startsWith('.berth/'));
    const sums = new Map<string, string>();
    for (const name of keys) {
      const text = await persistently(() => this.bucket.get(`${this.prefix}/${name}`));
      sums.set(name, sha256(text ?? ''));
    }
    for (const [name, sum] of sums) this.acceptReturned(name, sum);
    expect(Object.fromEntries(sums)).to.deep.equal(Object.fromEntries(this.files));
    this.removed.clear();
  }
}
