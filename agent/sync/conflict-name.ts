import { encodePath } from '../../shared/bucket/keys.js';

const SUFFIX = /\.conflict-\d{8}T\d{6}Z-[0-9a-f]{8}(-\d+)?(?=\.[^./]*$|$)/;

/**
 * Name for the local version of a file whose place in the bucket somebody else took:
 * `report.conflict-20261124T081500Z-1a2b3c4d.txt`. A conflict copy of a conflict copy does not nest.
 *
 * @param attempt - 1 for the first try; higher numbers are appended when the name is taken
 */
export function conflictPath(path: string, at: Date, replica: string, attempt = 1): string {
  const slash = path.lastIndexOf('/') + 1;
  const folder = path.slice(0, slash);
  const name = path.slice(slash).replace(SUFFIX, '');
  const dot = name.lastIndexOf('.');
  const [base, extension] = dot > 0 ? [name.slice(0, dot), name.slice(dot)] : [name, ''];
  const time = at.toISOString().replace(/[-:]|\.\d{3}/g, '');
  const middle = `.conflict-${time}-${replica.slice(0, 8)}${attempt > 1 ? `-${attempt}` : ''}`;
  // An absurdly long extension is cut like the base, so that the mark itself always stays.
  const tail = fits(middle + extension) ? middle + extension : middle;
  let kept = [...base];
  while (kept.length > 0 && !fits(kept.join('') + tail)) kept = kept.slice(0, -1);
  return folder + kept.join('') + tail;
}

function fits(name: string): boolean {
  if (Buffer.byteLength(name) > 255) return false;
  try {
    encodePath(name);
    return true;
  } catch {
    return false;
  }
}
