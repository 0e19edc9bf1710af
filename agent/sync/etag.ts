import { createHash } from 'node:crypto';

const MIB = 1024 * 1024;

/** Above this a file is sent in parts. */
export const MULTIPART_THRESHOLD = 32 * MIB;
const PART_SIZE = 16 * MIB;
const MAX_PARTS = 9000;

export const md5Hex = (data: Buffer) => createHash('md5').update(data).digest('hex');

/** Bytes a part, so that a file of this size has no more parts than S3 takes. */
export function partSizeFor(size: number): number {
  if (size <= PART_SIZE * MAX_PARTS) return PART_SIZE;
  return Math.ceil(size / MAX_PARTS / MIB) * MIB;
}

/** ETag of an object that was uploaded in parts: MD5 of the parts' MD5s, and their number. */
export function multipartEtag(partMd5s: readonly Buffer[]): string {
  return `${createHash('md5').update(Buffer.concat(partMd5s)).digest('hex')}-${partMd5s.length}`;
}

export const isPlainEtag = (etag: string) => /^[0-9a-f]{32}$/.test(etag);

/**
 * Part sizes with which a file of `size` bytes can have become an object with this ETag: our own and
 * those of the usual tools. Empty for an ETag that is no multi-part one.
 */
export function candidatePartSizes(etag: string, size: number): number[] {
  const match = /^[0-9a-f]{32}-(\d+)$/.exec(etag);
  if (!match) return [];
  const parts = Number(match[1]);
  const sizes = [partSizeFor(size), 16 * MIB, 8 * MIB, 5 * MIB, 64 * MIB, 32 * MIB];
  return [...new Set(sizes)].filter((partSize) => Math.max(1, Math.ceil(size / partSize)) === parts);
}
