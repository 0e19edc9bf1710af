import { lstatSync, renameSync, rmdirSync } from 'node:fs';
import path from 'node:path';
import { conflictPath } from './conflict-name.js';
import type { SyncContext } from './context.js';
import { exists, inFolder, parentOf } from './safe-path.js';

/**
 * Gives a file or folder that exists only here another name, because the bucket's version takes its
 * place; the first cycle sends it under the new name. An empty folder just goes. Does nothing when
 * something else has the name by now: several downloads may stumble over the same file.
 */
export async function moveAside(
  context: SyncContext,
  relative: string,
  obstacle: 'file' | 'folder',
): Promise<void> {
  await inFolder(context.root, parentOf(relative), (folder) => {
    const from = path.join(folder, path.posix.basename(relative));
    const stat = lstatSync(from, { throwIfNoEntry: false });
    if (stat === undefined || stat.isDirectory() !== (obstacle === 'folder')) return;
    if (obstacle === 'folder' && removedEmpty(from)) return;
    for (let attempt = 1; ; attempt++) {
      const copy = conflictPath(relative, new Date(context.now()), context.state.replica, attempt);
      const to = path.join(folder, path.posix.basename(copy));
      if (exists(to)) continue;
      renameSync(from, to);
      context.log.warn('conflict: the bucket has another version, the local one was kept beside it', {
        path: relative,
        copy,
      });
      return;
    }
  });
}

function removedEmpty(folder: string): boolean {
  try {
    rmdirSync(folder);
    return true;
  } catch {
    return false;
  }
}
