import { chownSync, lchownSync, lstatSync, readdirSync } from 'node:fs';
import { cp, mkdir } from 'node:fs/promises';
import path from 'node:path';
import { codeOf } from '../../shared/errors.js';
import type { Owner } from '../sync/safe-path.js';

/**
 * Makes the user's home and gives it to the user. Docker fills a fresh volume from the image; where
 * something else was mounted there and the home is empty, the skeleton is copied.
 */
export async function prepareHome(home: string, skeleton: string, owner: Owner): Promise<void> {
  await mkdir(home, { recursive: true });
  if (readdirSync(home).length > 0) return;
  try {
    await cp(skeleton, home, { recursive: true, verbatimSymlinks: true });
  } catch (error) {
    // An image without a skeleton is fine.
    if (codeOf(error) !== 'ENOENT') throw error;
  }
  if (owner) giveAll(home, owner);
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
