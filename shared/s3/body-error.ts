import type { Readable } from 'node:stream';
import { codeOf, messageOf } from '../errors.js';
import { S3Error, wordsFor } from './s3-error.js';

/** Errors of the local disk; repeating the request would not mend them. */
const LOCAL = new Set(['ENOSPC', 'EDQUOT', 'EIO', 'EROFS', 'EACCES', 'EPERM', 'EFBIG', 'ENAMETOOLONG']);

/** Tells a broken answer (worth another try) from a disk that does not take it, and from an abort. */
export function toS3Failure(error: unknown, body: Readable): unknown {
  body.destroy();
  if (error instanceof S3Error || LOCAL.has(codeOf(error) ?? '')) return error;
  if (error instanceof Error && error.name === 'AbortError') return error;
  const code = codeOf(error) ?? 'IncompleteBody';
  return new S3Error('network', code, wordsFor(code, messageOf(error)), null, { cause: error });
}
