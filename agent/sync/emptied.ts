import { rmdirSync } from 'node:fs';
import path from 'node:path';
import { idOf } from '../../shared/bucket/keys.js';
import type { RemoteView } from '../../shared/bucket/view.js';
import { inFolder, parentOf } from './safe-path.js';

/** A folder that existed only for the files that somebody deleted goes with them. */
export async function removeEmptied(root: string, relative: string, view: RemoteView): Promise<void> {
  if (relative === '' || view.entries.has(idOf(relative, 'dir'))) return;
  try {
    await inFolder(root, parentOf(relative), (folder) =>
      rmdirSync(path.join(folder, path.posix.basename(relative))),
    );
  } catch {
    return;
  }
  await removeEmptied(root, parentOf(relative), view);
}
