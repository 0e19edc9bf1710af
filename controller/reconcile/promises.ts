/** Memory that starts under way are about to take, and that nobody can measure yet. */
export class Promises {
  private readonly bytes = new Map<string, number>();

  promise(id: string, bytes: number): void {
    this.bytes.set(id, bytes);
  }

  /** It has taken what it needs by now, or needs it no more. */
  release(id: string): void {
    this.bytes.delete(id);
  }

  /** What is promised to all but one. */
  toOthers(id: string): number {
    return [...this.bytes].reduce((sum, [other, bytes]) => (other === id ? sum : sum + bytes), 0);
  }

  get total(): number {
    return this.toOthers('');
  }
}
