import { BerthError } from '../errors.js';

/**
 * What a failed request means for the engine:
 * - `precondition`: somebody else was there first (412);
 * - `missing`: no such object (404);
 * - `busy`: try again soon (409, 429, 503);
 * - `network`, `server`: no answer, or one that speaks of the way there (a request that came too slowly or
 *   damaged) or says nothing about the request (5xx);
 * - `bucket`: nothing in this bucket will work until a person acts (credentials, no such bucket);
 * - `full`: there is no room for anything new until a person acts; removing works (quotas, 507);
 * - `object`: this object will never work (name too long, malformed request);
 * - `unsupported`: the server does not know this kind of request (501).
 */
export type S3ErrorKind =
  'precondition' | 'missing' | 'busy' | 'network' | 'server' | 'bucket' | 'full' | 'object' | 'unsupported';

export class S3Error extends BerthError {
  override readonly name = 'S3Error';

  constructor(
    readonly kind: S3ErrorKind,
    /** The server's own code (`NoSuchBucket`) or the operating system's (`ECONNREFUSED`). */
    readonly s3Code: string,
    message: string,
    readonly status: number | null = null,
    options?: ErrorOptions,
  ) {
    super('BERTH_S3', `${s3Code}: ${message}`, options);
  }

  /** The same request may well work later. */
  get transient(): boolean {
    return this.kind === 'busy' || this.kind === 'network' || this.kind === 'server';
  }
}

/** A success that no S3 server gives: a proxy's own page, a gateway that is starting. */
export const notS3 = (what: string) =>
  new S3Error('server', 'NotS3', `the answer does not hold ${what}; is a proxy in between?`, 200);

/** Codes that no repetition mends, whatever status they come with. */
const BUCKET_CODES = new Set([
  'NoSuchBucket',
  'InvalidBucketName',
  'AccessDenied',
  'AllAccessDisabled',
  'AccountProblem',
  'InvalidAccessKeyId',
  'SignatureDoesNotMatch',
  'InvalidToken',
  'ExpiredToken',
  'InvalidSecurity',
  'NotSignedUp',
  'AuthorizationHeaderMalformed',
  'PermanentRedirect',
  'IllegalLocationConstraintException',
  'CredentialsProviderError',
]);

/** Of MinIO, Ceph and others; AWS has no quota. */
const FULL_CODES = new Set(['QuotaExceeded', 'XMinioAdminBucketQuotaExceeded', 'XMinioStorageFull']);

/** Refusals that concern one object only, though their status is 403. */
const OBJECT_CODES = new Set(['InvalidObjectState', 'KeyTooLongError']);

/** A wrong clock is 403 too, but mends itself once the host's time is right again. */
const CLOCK_CODES = new Set(['RequestTimeTooSkewed', 'RequestExpired']);

/**
 * What arrived was not what was sent, or not in time. Though the status is 400, the object is not to blame:
 * on a slow line AWS answers so to whatever is sent.
 */
const LINE_CODES = new Set(['RequestTimeout', 'IncompleteBody', 'BadDigest', 'XAmzContentSHA256Mismatch']);

/** Sorts an answer by its status and S3 code. */
export function kindOf(status: number | null, code: string): S3ErrorKind {
  if (BUCKET_CODES.has(code)) return 'bucket';
  if (FULL_CODES.has(code) || status === 507) return 'full';
  if (OBJECT_CODES.has(code)) return 'object';
  if (CLOCK_CODES.has(code)) return 'server';
  if (LINE_CODES.has(code)) return 'network';
  // Also as the end of an answer that began with a 200.
  if (code === 'SlowDown') return 'busy';
  // The completion of an upload whose answer was lost: the object itself tells what became of it.
  if (code === 'NoSuchUpload') return 'precondition';
  if (status === null) return 'network';
  switch (status) {
    case 304:
    case 412:
      return 'precondition';
    case 404:
      return 'missing';
    case 408:
    case 409:
    case 425:
    case 429:
    case 503:
      return 'busy';
    case 401:
    case 403:
    case 301:
    case 307:
      return 'bucket';
    case 501:
      return 'unsupported';
    default:
      return status >= 500 ? 'server' : 'object';
  }
}

const FULL = 'the bucket is full: remove files, or have its quota raised';

/** Words for a code whose own message tells a user little. */
const ADVICE: Record<string, string> = {
  NoSuchBucket: 'the bucket does not exist',
  AccessDenied: 'the credentials may not use this bucket',
  InvalidAccessKeyId: 'the S3 server does not know this access key',
  SignatureDoesNotMatch: 'the secret key is wrong',
  ExpiredToken: 'the S3 credentials have expired',
  QuotaExceeded: FULL,
  XMinioAdminBucketQuotaExceeded: FULL,
  XMinioStorageFull: FULL,
  RequestTimeTooSkewed: "the clocks of this host and of the S3 server differ; set the host's time by NTP",
  ECONNREFUSED: 'the S3 server refuses connections',
  ENOTFOUND: 'the name of the S3 server cannot be resolved',
};

/** The message of an error, led by advice where the code alone would not help. */
export function wordsFor(code: string, message: string): string {
  const advice = ADVICE[code];
  if (advice === undefined) return message === '' ? code : message;
  return message === '' ? advice : `${advice} (${message})`;
}
