import { fromMetadata, markOf } from '../../shared/bucket/metadata.js';
import type { ObjectHead } from '../../shared/s3/s3-port.js';
import type { SyncContext } from './context.js';

/**
 * Whether this replica for sure wrote this very version under this very key, so that it may be replaced. Its mark
 * alone does not say so: other tools take it along when they copy, rename or rewrite an object. Of what was sent in
 * parts, and where ETags are no MD5s (SSE-KMS), nobody can be sure.
 */
export function isOwn({ state }: SyncContext, key: string, { etag, metadata }: ObjectHead): boolean {
  const { replica, mark, md5 } = fromMetadata(metadata);
  return replica === state.replica && mark === markOf(key) && md5 === etag;
}

/** Whether it may have: then the disk may have the later version, and both are to be kept. */
export function mayBeOwn({ state }: SyncContext, { metadata }: Pick<ObjectHead, 'metadata'>): boolean {
  return fromMetadata(metadata).replica === state.replica;
}
