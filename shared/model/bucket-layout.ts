/**
 * Where things lie in a bucket, below the workspace's prefix (docs/sync.md). Everything that is not a
 * file of the user's is below `.berth/`.
 */
export const RESERVED = '.berth/';
/** Markers of folders that no object key implies: empty ones, and those with a mode of their own. */
export const DIR_MARKERS = `${RESERVED}d/`;
/** The user's home. */
export const HOME = `${RESERVED}home`;
const RECEIPTS = `${RESERVED}receipts/`;

/** What all keys of a workspace begin with: '' or a path with a slash at its end. */
export function rootOf(prefix: string): string {
  const trimmed = prefix.replace(/^\/+|\/+$/g, '');
  return trimmed === '' ? '' : `${trimmed}/`;
}

/** Whether what one workspace keeps is also kept by the other. */
export function overlap(a: Place, b: Place): boolean {
  const [rootA, rootB] = [rootOf(a.prefix), rootOf(b.prefix)];
  return a.bucket === b.bucket && (rootA.startsWith(rootB) || rootB.startsWith(rootA));
}

interface Place {
  bucket: string;
  prefix: string;
}

/** Folder of the receipts of one workspace. */
export const receiptsOf = (prefix: string, workspaceId: string) =>
  `${rootOf(prefix)}${RECEIPTS}${workspaceId}/`;

export const receiptKey = (prefix: string, workspaceId: string, runId: string) =>
  `${receiptsOf(prefix, workspaceId)}${runId}.json`;

/** Whether a key below `root` stands for something in the workspace: a file, a link or a folder. */
export function isContent(root: string, key: string): boolean {
  const own = key.slice(root.length);
  return !own.startsWith(RESERVED) || own.startsWith(DIR_MARKERS);
}
