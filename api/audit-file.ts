import { appendFile, rename, stat } from 'node:fs/promises';
import path from 'node:path';
import { codeOf, messageOf } from '../shared/errors.js';
import type { Logger } from '../shared/logger.js';
import type { Audit } from './middleware/audit.js';

const MAX_BYTES = 10 * 1024 ** 2;
/** With the present one. */
const MAX_FILES = 10;
/** How many lines wait while the file cannot be written; more are given up. */
const MAX_WAITING = 10_000;

/**
 * The audit log, one JSON line an entry: in `audit.jsonl` what keys did, in `refused.jsonl` what nobody known
 * tried, so that nobody can fill the first without a key. `audit1.jsonl` is the file before.
 */
export function openAuditFile(folder: string, logger: Logger): Audit {
  const audit = new Lines(folder, 'audit', logger);
  const refused = new Lines(folder, 'refused', logger);
  return (entry) => (entry.keyId === null ? refused : audit).add(JSON.stringify(entry));
}

/** Not winston's file transport: that one writes nothing more, and says nothing, after its first failed write. */
class Lines {
  private waiting: string[] = [];
  private writing = false;
  /** A write failed since the last good one: what it left may end in half a line. */
  private failed = false;

  constructor(
    private readonly folder: string,
    private readonly name: string,
    private readonly logger: Logger,
  ) {}

  /** Written at once, or with the next line when that cannot be done. */
  add(line: string): void {
    if (this.waiting.length < MAX_WAITING) this.waiting.push(line);
    if (!this.writing) void this.writeAll();
  }

  private async writeAll(): Promise<void> {
    this.writing = true;
    try {
      while (this.waiting.length > 0) await this.write(this.waiting.slice(0, 100));
    } catch (error) {
      if (!this.failed)
        this.logger.error('the audit log cannot be written; it is tried again with each entry', {
          file: this.file(0),
          error: messageOf(error),
        });
      this.failed = true;
    } finally {
      this.writing = false;
    }
  }

  private async write(lines: string[]): Promise<void> {
    const file = this.file(0);
    if ((await sizeOf(file)) >= MAX_BYTES) await this.rotate();
    await appendFile(file, `${this.failed ? '\n' : ''}${lines.join('\n')}\n`, { mode: 0o640 });
    this.waiting.splice(0, lines.length);
    if (this.failed) this.logger.info('the audit log is written again', { file });
    this.failed = false;
  }

  private async rotate(): Promise<void> {
    for (let age = MAX_FILES - 1; age > 0; age--) {
      await rename(this.file(age - 1), this.file(age)).catch(ignoreMissing);
    }
  }

  private file(age: number): string {
    return path.join(this.folder, `${this.name}${age === 0 ? '' : age}.jsonl`);
  }
}

async function sizeOf(file: string): Promise<number> {
  return (await stat(file).catch(ignoreMissing))?.size ?? 0;
}

function ignoreMissing(error: unknown): undefined {
  if (codeOf(error) !== 'ENOENT') throw error;
}
