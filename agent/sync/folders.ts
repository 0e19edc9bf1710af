import { ancestorsOf, idOf, isDirId, pathOf, type EntryId } from '../../shared/bucket/keys.js';
import type { WalkEntry } from './entry.js';
import type { WalkResult } from './walk.js';

/** Tells entries that need the name of a folder whose content is to be deleted from the others. */
export function splitReplacing(
  entries: readonly WalkEntry[],
  deletes: readonly EntryId[],
): { inPlace: WalkEntry[]; afterDeletes: WalkEntry[] } {
  const folders = new Set(deletes.flatMap((id) => ancestorsOf(pathOf(id))));
  // The folder's own marker counts as something in it.
  for (const id of deletes) if (isDirId(id)) folders.add(pathOf(id));
  const replaces = (entry: WalkEntry) => entry.kind !== 'dir' && folders.has(entry.id);
  return {
    inPlace: entries.filter((entry) => !replaces(entry)),
    afterDeletes: entries.filter(replaces),
  };
}

/** Deleted entries in whose folder's place something else was seen. */
export function replacedBy(entries: readonly WalkEntry[], deletes: readonly EntryId[]): Set<EntryId> {
  const names = new Set(entries.map(({ id }) => pathOf(id)));
  const isBelow = (path: string) => names.has(path) || ancestorsOf(path).some((folder) => names.has(folder));
  return new Set(deletes.filter((id) => isBelow(pathOf(id))));
}

/** Folders of deleted entries that are no longer on the disk. */
export function emptiedFolders(deletes: readonly EntryId[], seen: WalkResult): string[] {
  const folders = new Set(deletes.flatMap((id) => ancestorsOf(pathOf(id))));
  return [...folders].filter((folder) => !seen.entries.has(idOf(folder, 'dir')));
}

/** Groups folders, those deepest in the tree first. */
export function byDepth(folders: readonly string[]): string[][] {
  const levels: string[][] = [];
  for (const folder of folders) (levels[folder.split('/').length] ??= []).push(folder);
  return levels.reverse().filter((level) => level.length > 0);
}
