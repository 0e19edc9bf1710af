/**
 * Objects that stay in the bucket only, and why: their keys or contents cannot become files here.
 * A broken import may bring thousands of them.
 */
export class RefusedObjects {
  private readonly objects = new Map<string, { etag: string; reason: string }>();

  get keys(): string[] {
    return [...this.objects.keys()];
  }

  /** Whether just this version was refused before. */
  has(key: string, etag: string): boolean {
    return this.objects.get(key)?.etag === etag;
  }

  /** @param etag - '' when no version would do */
  add(key: string, etag: string, reason: string): void {
    this.objects.set(key, { etag, reason });
  }

  delete(key: string): void {
    this.objects.delete(key);
  }

  clear(): void {
    this.objects.clear();
  }

  /** Forgets objects that are not there any more. */
  keepOnly(keys: ReadonlySet<string>): void {
    for (const key of this.objects.keys()) if (!keys.has(key)) this.objects.delete(key);
  }

  /** Some of them, for people. */
  examples(count: number): { key: string; reason: string }[] {
    return [...this.objects].slice(0, count).map(([key, { reason }]) => ({ key, reason }));
  }
}
