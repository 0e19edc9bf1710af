import { fromMetadata, markOf } from '../../shared/bucket/metadata.js';
import type { ObjectHead } from '../../shared/s3/s3-port.js';
import type { SyncContext } from './context.js';
import type { Entry, FileStat } from './entry.js';

/** Times in metadata are read as numbers, which tell microseconds apart. */
const SECONDS = 1e-6;

/**
 * Whether the disk has the successor of this very version, which this replica for sure wrote under this very key,
 * so that it may be replaced. Its mark alone does not say so: other tools take it along when they copy, rename or
 * rewrite an object. Of what was sent in parts, and where ETags are no MD5s (SSE-KMS), nobody can be sure. Nor of a
 * file that is not younger: a power cut may have left it so.
 */
export function hasSuccessor(context: SyncContext, key: string, head: ObjectHead, disk: FileStat): boolean {
  const { mtime } = fromMetadata(head.metadata);
  return isOwn(context, key, head) && mtime !== null && Number(disk.mtimeNs) / 1e9 > mtime + SECONDS;
}

/** @returns true only when it is sure */
export function isOwn({ state }: SyncContext, key: string, { etag, metadata }: ObjectHead): boolean {
  const { replica, mark, md5 } = fromMetadata(metadata);
  return replica === state.replica && mark === markOf(key) && md5 === etag;
}

type Version = Pick<ObjectHead, 'etag' | 'metadata'>;

/**
 * Whether this replica may have written it: then the disk may have the later version, and both are to be kept.
 *
 * @param known - what was known to be there
 */
export function mayBeOwn(
  { state }: SyncContext,
  key: string,
  known: Entry | undefined,
  version: Version,
): boolean {
  const { replica, mark } = fromMetadata(version.metadata);
  if (replica !== state.replica || (mark !== null && mark !== markOf(key))) return false;
  return !isRewritten(known, version);
}

/** Another tool has changed the content and kept the metadata, as a server whose ETags are MD5s shows. */
export function isRewritten(known: Entry | undefined, { etag, metadata }: Version): boolean {
  const { md5 } = fromMetadata(metadata);
  const tellsMd5 = known !== undefined && known.md5 !== '' && known.etag === known.md5;
  return tellsMd5 && md5 !== null && etag !== md5;
}
