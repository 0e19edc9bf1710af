import type { Target } from '../../controller/ports/cluster.js';
import type { ReceiptFinding, ReceiptQuestion } from '../../controller/ports/receipts.js';

/** How the S3 server does: `lossy` says that it has stored what it has not. */
export type S3Mode = 'up' | 'down' | 'lossy';

const MANIFEST = 'f'.repeat(64);

/** Where each version of each file is: on volumes, in buckets, or nowhere any more. A version is a number. */
export class Files {
  mode: S3Mode = 'up';
  /** Of each version, where it belongs. */
  private readonly places: string[] = [];
  private readonly onVolumes = new Map<string, Set<number>>();
  private readonly inBuckets = new Map<string, Set<number>>();
  private readonly receipts = new Map<string, number[]>();

  write(volume: string, { bucket, prefix }: Target): void {
    const version = this.places.push(`${bucket}/${prefix}`) - 1;
    this.listOf(this.onVolumes, volume).add(version);
  }

  /** @returns how many files are on the volume */
  upload(volume: string): number {
    const versions = this.listOf(this.onVolumes, volume);
    if (this.mode === 'up') for (const version of versions) this.bucketOf(version).add(version);
    return versions.size;
  }

  /** Written last of all, after an upload. */
  leaveReceipt(runId: string, volume: string): string {
    if (this.mode === 'up') this.receipts.set(runId, [...this.listOf(this.onVolumes, volume)]);
    return MANIFEST;
  }

  verify({ runId, manifest }: ReceiptQuestion): ReceiptFinding {
    if (this.mode === 'down') return { kind: 'unreachable', message: 'sim: the S3 server is down' };
    const receipt = this.receipts.get(runId);
    const saved = receipt?.every((version) => this.bucketOf(version).has(version)) ?? false;
    return saved && manifest === MANIFEST
      ? { kind: 'verified' }
      : { kind: 'wrong', message: 'sim: no such receipt' };
  }

  /** What is nowhere but on this volume. */
  unsavedOn(volume: string): number[] {
    return [...this.listOf(this.onVolumes, volume)].filter((version) => !this.bucketOf(version).has(version));
  }

  removeVolume(volume: string): void {
    this.onVolumes.delete(volume);
  }

  private bucketOf(version: number): Set<number> {
    return this.listOf(this.inBuckets, this.places[version] ?? '');
  }

  private listOf(lists: Map<string, Set<number>>, name: string): Set<number> {
    const list = lists.get(name) ?? new Set();
    lists.set(name, list);
    return list;
  }
}
