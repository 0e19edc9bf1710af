import { closeSync, constants, lstatSync, lchownSync, mkdirSync, openSync, readlinkSync } from 'node:fs';
import path from 'node:path';
import { BerthError, codeOf } from '../../shared/errors.js';

/**
 * The agent works as root in folders that its user can rearrange at any moment. Every access therefore
 * goes through an open folder whose true place was checked after opening it: a link put in the way
 * between check and use leads nowhere.
 */
export class UnsafePathError extends BerthError {
  constructor(path: string, reason: string) {
    super('BERTH_UNSAFE_PATH', `${path}: ${reason}`);
  }
}

/** Something other than a folder is where a folder has to be. */
export class ObstacleError extends BerthError {
  constructor(readonly obstacle: string) {
    super('BERTH_OBSTACLE', `${obstacle} is not a folder`);
  }
}

/** Who owns what the agent makes in the workspace; null leaves it to the agent's own user. */
export type Owner = { uid: number; gid: number } | null;

const FOLDER_FLAGS = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;

/**
 * Checks that an open file is the one below the root with this path, and not what a link led to.
 *
 * @param root - a path without links (realpath)
 * @throws UnsafePathError
 */
export function assertPlace(fd: number, root: string, relative: string): void {
  const expected = relative === '' ? root : path.join(root, relative);
  const actual = readlinkSync(`/proc/self/fd/${fd}`);
  if (actual !== expected) throw new UnsafePathError(relative, 'the path leads through a link or was moved');
}

/**
 * Opens a folder below the root and calls `work` with a path that keeps meaning this folder, whatever
 * happens to its name meanwhile.
 *
 * @throws UnsafePathError, or ENOENT/ENOTDIR/ELOOP of the operating system
 */
export async function inFolder<T>(
  root: string,
  relative: string,
  work: (folder: string) => Promise<T> | T,
): Promise<T> {
  const fd = openSync(path.join(root, relative), FOLDER_FLAGS);
  try {
    assertPlace(fd, root, relative);
    return await work(`/proc/self/fd/${fd}`);
  } finally {
    closeSync(fd);
  }
}

/**
 * Makes a folder and its parents where they are missing.
 *
 * @throws ObstacleError when a file or link is in the way
 */
export async function ensureFolder(root: string, relative: string, owner: Owner): Promise<void> {
  if (relative === '') return;
  // Usually it is there; what it really is shows when it is opened.
  if (isFolder(path.join(root, relative))) return;
  const parent = parentOf(relative);
  try {
    await inFolder(root, parent, (folder) => makeFolder(folder, relative, owner));
  } catch (error) {
    if (codeOf(error) !== 'ENOENT' && codeOf(error) !== 'ENOTDIR') throw error;
    await ensureFolder(root, parent, owner);
    await inFolder(root, parent, (folder) => makeFolder(folder, relative, owner));
  }
}

function makeFolder(parent: string, relative: string, owner: Owner): void {
  const folder = path.join(parent, path.posix.basename(relative));
  try {
    mkdirSync(folder, 0o755);
    if (owner) lchownSync(folder, owner.uid, owner.gid);
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
    if (!lstatSync(folder).isDirectory()) throw new ObstacleError(relative);
  }
}

/** Folder part of a relative path; '' for the root. */
export function parentOf(relative: string): string {
  const slash = relative.lastIndexOf('/');
  return slash < 0 ? '' : relative.slice(0, slash);
}

function isFolder(file: string): boolean {
  try {
    return lstatSync(file).isDirectory();
  } catch {
    return false;
  }
}

/** Whether anything has the name, a dangling link included. */
export function exists(file: string): boolean {
  try {
    lstatSync(file);
    return true;
  } catch {
    return false;
  }
}
