import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import path from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

/**
 * Unpacks an archive with the system's own tar.
 *
 * @throws when tar finds anything to say about it
 */
export async function untar(pieces: AsyncIterable<Buffer>, folder: string): Promise<void> {
  const tar = spawn('tar', ['--warning=no-timestamp', '-xpf', '-', '-C', folder], {
    stdio: ['pipe', 'ignore', 'pipe'],
  });
  let said = '';
  tar.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
  await Promise.all([once(tar, 'close'), pipeline(Readable.from(pieces), tar.stdin)]);
  if (tar.exitCode !== 0 || said !== '') throw new Error(`tar ended with ${tar.exitCode}: ${said}`);
}

/** Everything below a folder: path → kind, mode, time of the last change (not of folders) and content. */
export function treeOf(root: string, folder = ''): Record<string, string> {
  const found: Record<string, string> = {};
  for (const name of readdirSync(path.join(root, folder))) {
    const child = folder === '' ? name : `${folder}/${name}`;
    const full = path.join(root, child);
    const stat = lstatSync(full);
    const mode = (stat.mode & 0o7777).toString(8);
    const mtime = Math.floor(stat.mtimeMs);
    if (stat.isDirectory()) Object.assign(found, { [`${child}/`]: mode }, treeOf(root, child));
    else if (stat.isSymbolicLink()) found[child] = `${mtime} -> ${readlinkSync(full)}`;
    else found[child] = `${mode} ${mtime} ${stat.size} ${md5(readFileSync(full))}`;
  }
  return found;
}

const md5 = (content: Buffer) => createHash('md5').update(content).digest('hex');
