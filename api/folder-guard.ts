import { identityOf } from '../shared/store/watch-folder.js';

const LOOK_MS = 2000;

/**
 * Watches over folders that are mounts of their own: when one is removed on the host, what is written here
 * goes nowhere, and only a new container gets the folder that is made in its place.
 *
 * @param onLost - told once, with the folder
 */
export async function guardFolders(
  folders: readonly string[],
  onLost: (folder: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const known = await Promise.all(folders.map(identityOf));
  const timer = setInterval(() => void look(), LOOK_MS).unref();
  signal.addEventListener('abort', () => clearInterval(timer));
  const look = async () => {
    const present = await Promise.all(folders.map(identityOf));
    const lost = folders.find((_folder, index) => present[index] !== known[index]);
    if (lost === undefined || signal.aborted) return;
    clearInterval(timer);
    onLost(lost);
  };
}
