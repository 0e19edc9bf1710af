import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { S3Client } from '../../../shared/s3/client.js';
import { freePorts } from '../ports.js';
import { ADMIN, toolProgram } from './seaweed.js';

/** `rclone serve s3` on loopback: a real S3 server that overlooks the conditions of writes. */
export class RcloneServer {
  private child: ChildProcess | null = null;
  private readonly folder = mkdtempSync(path.join(tmpdir(), 'berth-rclone-'));
  private port = 0;

  client(bucket: string): S3Client {
    return new S3Client({ bucket, region: 'us-east-1', endpoint: `http://127.0.0.1:${this.port}`, ...ADMIN });
  }

  /** @param bucket - is made */
  async start(bucket: string): Promise<void> {
    mkdirSync(path.join(this.folder, bucket));
    [this.port = 0] = await freePorts(1);
    const keys = `${ADMIN.accessKeyId},${ADMIN.secretAccessKey}`;
    const address = `127.0.0.1:${this.port}`;
    this.child = spawn(
      toolProgram('rclone'),
      ['serve', 's3', '--config', '', '--addr', address, '--auth-key', keys, this.folder],
      { stdio: 'ignore' },
    );
    const client = this.client(bucket);
    const deadline = performance.now() + 20_000;
    while (
      !(await client.head('any').then(
        () => true,
        () => false,
      ))
    ) {
      if (performance.now() > deadline) throw new Error('rclone did not start');
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    client.close();
  }

  async stop(): Promise<void> {
    if (this.child !== null && this.child.exitCode === null) {
      const exited = once(this.child, 'exit');
      this.child.kill('SIGKILL');
      await exited;
    }
    rmSync(this.folder, { recursive: true, force: true });
  }
}
