import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, lstatSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { silentLogger, type Logger } from '../../../shared/logger.js';
import type { Run } from '../../../agent/sync/receipt.js';
import { SyncEngine } from '../../../agent/sync/engine.js';
import type { S3Port } from '../../../shared/s3/s3-port.js';

/** A workspace folder with its state, whose agent can be restarted, crashed, and lose its volume. */
export class Replica {
  readonly base: string;
  readonly root: string;
  readonly stateDir: string;
  engine!: SyncEngine;

  constructor(
    public s3: S3Port,
    private readonly options: {
      prefix?: string;
      createBucket?: boolean;
      log?: Logger;
      run?: Run;
      now?: () => number;
      /** Where its folders are made. */
      folder?: string;
    } = {},
  ) {
    this.base = mkdtempSync(path.join(options.folder ?? tmpdir(), 'berth-replica-'));
    this.root = path.join(this.base, 'ws');
    this.stateDir = path.join(this.base, 'home', '.berth');
  }

  /** A new agent on what is there; what the last one had in memory is gone. */
  async open(): Promise<this> {
    this.engine = await SyncEngine.open(
      {
        workspaceDir: this.root,
        stateDir: this.stateDir,
        prefix: this.options.prefix ?? '',
        owner: null,
        createBucket: this.options.createBucket ?? false,
        ...(this.options.run === undefined ? {} : { run: this.options.run }),
        retry: { attempts: 3, baseMs: 1, maxMs: 2 },
        restoreRetry: { attempts: Infinity, baseMs: 1, maxMs: 2 },
        finalRetry: { attempts: Infinity, baseMs: 1, maxMs: 2 },
      },
      this.s3,
      this.options.log ?? silentLogger(),
      this.options.now,
    );
    return this;
  }

  async start(signal = new AbortController().signal): Promise<this> {
    await this.open();
    await this.engine.restore(signal, () => undefined);
    return this;
  }

  at(...parts: string[]): string {
    return path.join(this.root, ...parts);
  }

  /** Everything below the folder: path → content, link target or `<dir>`. */
  tree(folder = ''): Record<string, string> {
    const found: Record<string, string> = {};
    for (const name of readdirSync(this.at(folder)).sort()) {
      const child = folder === '' ? name : `${folder}/${name}`;
      const stat = lstatSync(this.at(child));
      if (stat.isSymbolicLink()) found[child] = `-> ${readlinkSync(this.at(child))}`;
      else if (stat.isDirectory()) {
        found[`${child}/`] = '<dir>';
        Object.assign(found, this.tree(child));
      } else found[child] = readFileSync(this.at(child), 'utf8');
    }
    return found;
  }

  dispose(): void {
    rmSync(this.base, { recursive: true, force: true });
  }
}
