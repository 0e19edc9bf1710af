import { chownSync, lchownSync, lstatSync, readdirSync } from 'node:fs';
import { cp, mkdir } from 'node:fs/promises';
import path from 'node:path';
import { codeOf } from '../../shared/errors.js';
import type { Owner } from '../sync/safe-path.js';

/** Puts what is missing of the image's skeleton into the home; what is there already stays as it is. */
export async function fillHome(home: string, skeleton: string, owner: Owner): Promise<void> {
  await mkdir(home, { recursive: true });
  giveFolder(home, owner);
  await copyMissing(skeleton, home, owner);
}

async function copyMissing(from: string, to: string, owner: Owner): Promise<void> {
  for (const name of namesIn(from)) {
    const [source, target] = [path.join(from, name), path.join(to, name)];
    const present = lstatSync(target, { throwIfNoEntry: false });
    if (lstatSync(source).isDirectory() && present?.isDirectory()) await copyMissing(source, target, owner);
    if (present !== undefined) continue;
    await cp(source, target, { recursive: true, verbatimSymlinks: true });
    if (owner) giveAll(target, owner);
  }
}

/** An image without a skeleton is fine. */
function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return [];
    throw error;
  }
}

/** Gives a folder that root owns to the user; its content is left alone (it may be large). */
export function giveFolder(folder: string, owner: Owner): void {
  if (owner && lstatSync(folder).uid !== owner.uid) chownSync(folder, owner.uid, owner.gid);
}

function giveAll(entry: string, owner: { uid: number; gid: number }): void {
  lchownSync(entry, owner.uid, owner.gid);
  if (!lstatSync(entry).isDirectory()) return;
  for (const name of readdirSync(entry)) giveAll(path.join(entry, name), owner);
}
