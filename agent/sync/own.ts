import { fromMetadata, markOf } from '../../shared/bucket/metadata.js';
import type { ObjectHead } from '../../shared/s3/s3-port.js';
import type { SyncContext } from './context.js';
import { isPlainEtag } from './etag.js';

/**
 * Whether this replica wrote this very version under this very key. Its mark alone does not say so: other
 * tools take it along when they copy, rename or rewrite an object.
 */
export function isOwn({ state }: SyncContext, key: string, { etag, metadata }: ObjectHead): boolean {
  const { replica, mark, md5 } = fromMetadata(metadata);
  if (replica !== state.replica || mark !== markOf(key)) return false;
  return isPlainEtag(etag) ? etag === md5 : md5 === null;
}
