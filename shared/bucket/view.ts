import type { ListedObject } from '../s3/s3-port.js';
import { ancestorsOf, isDirId, KeyError, pathOf, type EntryId, type Keyspace } from './keys.js';

/** An object under the entry it stands for. */
export interface RemoteEntry {
  id: EntryId;
  /** Full key. */
  key: string;
  etag: string;
  size: number;
}

export interface RemoteView {
  entries: Map<EntryId, RemoteEntry>;
  /** Entries whose names others need: in the bucket, but not on the disk. */
  hidden: EntryId[];
  /** Objects that cannot become files here; they stay in the bucket untouched. */
  refused: { key: string; reason: string }[];
}

/**
 * Makes entries of listed objects and refuses what cannot be a file: keys that lead out of the folder,
 * two keys for one path, a file where other keys need a folder.
 */
export function viewOf(listed: Iterable<ListedObject>, keys: Keyspace): RemoteView {
  const view: RemoteView = { entries: new Map(), hidden: [], refused: [] };
  for (const object of listed) {
    try {
      const id = keys.entryOf(object.key);
      if (id === null) continue;
      const present = view.entries.get(id);
      const canonical = keys.canonical(id) === object.key;
      if (present && !canonical) {
        view.refused.push({ key: object.key, reason: 'another key stands for the same file' });
        continue;
      }
      if (present) view.refused.push({ key: present.key, reason: 'another key stands for the same file' });
      view.entries.set(id, { id, ...object });
    } catch (error) {
      if (!(error instanceof KeyError)) throw error;
      view.refused.push({ key: object.key, reason: error.message });
    }
  }
  refuseFilesInTheWay(view);
  return view;
}

/**
 * A file system has either the file `x` or the folder `x/…`. Files inside win over the file; the file
 * wins over a folder that is only marked to exist.
 */
function refuseFilesInTheWay(view: RemoteView): void {
  const folders = new Set<string>();
  for (const id of view.entries.keys()) {
    if (!isDirId(id)) for (const folder of ancestorsOf(id)) folders.add(folder);
  }
  const refuse = (entry: RemoteEntry, reason: string) => {
    view.entries.delete(entry.id);
    view.hidden.push(entry.id);
    view.refused.push({ key: entry.key, reason });
  };
  for (const entry of [...view.entries.values()]) {
    if (!isDirId(entry.id) && folders.has(entry.id))
      refuse(entry, 'other objects need a folder of this name');
  }
  for (const entry of [...view.entries.values()]) {
    if (!isDirId(entry.id)) continue;
    const path = pathOf(entry.id);
    if ([path, ...ancestorsOf(path)].some((name) => view.entries.has(name)))
      refuse(entry, 'a file has the name of this folder');
  }
}
