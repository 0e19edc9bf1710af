/** Marks of conflict copies, in any part of a path. */
const MARK = /\.conflict-\d{8}T\d{6}Z-[0-9a-f]{8}(-\d+)?/g;

/** The name a file had before it was set aside, alone or with a folder that it is in. */
export const originalPath = (path: string) => path.replace(MARK, '');

/**
 * What users wrote, and what they made go: content may only be missing in the end when somebody who had it
 * on the disk before them removed or replaced it. Contents are unique, so each stands for one version.
 */
export class Ledger {
  readonly written = new Set<string>();
  private readonly dropped = new Set<string>();
  private readonly left = new Set<string>();

  /** A new content, longer than any before it: no change hides behind equal sizes and time stamps. */
  next(begin = ''): string {
    const number = this.written.size + 1;
    const content = `${begin}${number}:`.padEnd(10 + 8 * number, '.');
    this.written.add(content);
    return content;
  }

  /** A user removed or replaced this version. */
  drop(path: string, content: string): void {
    this.dropped.add(content);
    this.leave(path, content);
  }

  /** A user gave this version another name. */
  leave(path: string, content: string): void {
    this.left.add(placeOf(path, content));
  }

  /** Whether some user wanted this version gone. */
  mayBeGone(content: string): boolean {
    return this.dropped.has(content);
  }

  /** Whether some user wanted this version gone from this name. */
  mayHaveLeft(path: string, content: string): boolean {
    return this.left.has(placeOf(path, content));
  }
}

const placeOf = (path: string, content: string) => `${originalPath(path)}\n${content}`;
