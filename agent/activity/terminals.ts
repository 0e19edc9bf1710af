import { constants } from 'node:fs';
import { open, readdir, stat } from 'node:fs/promises';
import type { Source } from './sources.js';

/** The user's terminals: what they print shows work, and a word to the user is printed there. */
export class Terminals implements Source {
  readonly signal = 'terminal';
  private seenAt: number | null = null;
  /** Times of terminals' last output that was our own. */
  private readonly own = new Map<string, number>();

  constructor(
    private readonly uid: number,
    private readonly folder = '/dev/pts',
  ) {}

  async sample(): Promise<number | null> {
    for (const { path, printedAt } of await this.list())
      if (this.own.get(path) !== printedAt) this.seenAt = Math.max(this.seenAt ?? 0, printedAt);
    return this.seenAt;
  }

  /** Prints a line in each; one that does not take it at once (somebody held its output) is passed over. */
  async print(line: string): Promise<void> {
    for (const { path } of await this.list()) {
      await this.write(path, `\r\n\x1b[1;33m[Berth] ${line}\x1b[0m\r\n`).catch(() => undefined);
      const printedAt = (await this.list()).find((terminal) => terminal.path === path)?.printedAt;
      if (printedAt !== undefined) this.own.set(path, printedAt);
    }
  }

  private async write(path: string, text: string): Promise<void> {
    const handle = await open(path, constants.O_WRONLY | constants.O_NOCTTY | constants.O_NONBLOCK);
    try {
      await handle.write(text);
    } finally {
      await handle.close();
    }
  }

  /** @returns the terminals with the time of their last output (the kernel keeps it to 8 s) */
  private async list(): Promise<{ path: string; printedAt: number }[]> {
    const names = await readdir(this.folder).catch((): string[] => []);
    const found = await Promise.all(
      names
        .filter((name) => /^\d+$/.test(name))
        .map(async (name) => {
          const path = `${this.folder}/${name}`;
          const stats = await stat(path).catch(() => null);
          return stats?.uid === this.uid ? { path, printedAt: stats.mtimeMs } : null;
        }),
    );
    return found.filter((terminal) => terminal !== null);
  }
}
