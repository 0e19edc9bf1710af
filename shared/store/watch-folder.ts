import { watch, type FSWatcher } from 'node:fs';
import { stat } from 'node:fs/promises';
import path from 'node:path';

/** How often to look whether the folder is still the same one. */
const LOOK_MS = 1000;

/**
 * Tells the names of files that may have changed. The system stops telling when the folder is removed;
 * one that is made in its place is watched again. Hints get lost all the same.
 */
export function watchFolder(folder: string, onChange: (name: string) => void, signal: AbortSignal): void {
  let watcher: FSWatcher | null = null;
  let watched: string | null = null;
  const look = async () => {
    const present = await identityOf(folder);
    if (signal.aborted || present === watched) return;
    watcher?.close();
    watcher = present === null ? null : begin();
    watched = watcher === null ? null : present;
  };
  const begin = () => {
    try {
      const begun = watch(folder, (_event, name) => {
        if (name !== null) onChange(name);
        // So the system tells of the folder's own end.
        if (name === path.basename(folder)) watched = null;
      });
      // It was removed this very moment, or the system gave up: the next look begins anew.
      begun.on('error', () => {
        begun.close();
        watched = null;
      });
      return begun;
    } catch {
      return null;
    }
  };
  const timer = setInterval(() => void look(), LOOK_MS).unref();
  signal.addEventListener('abort', () => {
    clearInterval(timer);
    watcher?.close();
  });
  void look();
}

/** Tells one folder from another of the same name; null: there is none. */
export async function identityOf(folder: string): Promise<string | null> {
  const found = await stat(folder).catch(() => null);
  // Of a folder that is removed while somebody has it mounted, only the links tell.
  return found === null || found.nlink === 0 ? null : `${found.dev}:${found.ino}:${found.birthtimeMs}`;
}
