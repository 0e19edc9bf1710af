import { XMLParser } from 'fast-xml-parser';
import { notS3 } from './s3-error.js';
import type { ListedObject, UploadedPart } from './s3-port.js';

const parser = new XMLParser({
  // A key of digits is a key.
  parseTagValue: false,
  trimValues: false,
  // Some servers write quotes as &#34;.
  htmlEntities: true,
  isArray: (name) => name === 'Contents',
});

interface ErrorAnswer {
  code: string;
  message: string;
}

/** What an answer says went wrong; null when it is no S3 error. */
export function errorOf(xml: string): ErrorAnswer | null {
  const error = rootOf(xml, 'Error');
  const code = textIn(error, 'Code');
  return code === '' ? null : { code, message: textIn(error, 'Message') };
}

/**
 * One page of a ListObjectsV2 with `encoding-type=url`; `next` continues it.
 *
 * @throws S3Error when it is none: a proxy's page is not an empty bucket
 */
export function listPageOf(xml: string): { objects: ListedObject[]; next: string | undefined } {
  const page = rootOf(xml, 'ListBucketResult');
  if (page === undefined) throw notS3('a list');
  const contents = (page['Contents'] ?? []) as Node[];
  const objects = contents.map((object) => ({
    key: decodeListed(textIn(object, 'Key')),
    etag: unquote(textIn(object, 'ETag')),
    size: Number(textIn(object, 'Size')),
  }));
  if (textIn(page, 'IsTruncated') !== 'true') return { objects, next: undefined };
  return { objects, next: wanted(textIn(page, 'NextContinuationToken'), 'the rest of a list') };
}

/** @throws S3Error when the answer has none */
export function uploadIdOf(xml: string): string {
  return wanted(textIn(rootOf(xml, 'InitiateMultipartUploadResult'), 'UploadId'), 'an upload id');
}

/** @throws S3Error when the answer has none */
export function completedEtagOf(xml: string): string {
  return etagIn(textIn(rootOf(xml, 'CompleteMultipartUploadResult'), 'ETag'));
}

/**
 * @returns without quotes
 * @throws S3Error when there is none
 */
export const etagIn = (text: string | undefined) => wanted(unquote(text), 'an ETag');

export function completionXml(parts: readonly UploadedPart[]): string {
  const lines = parts.map(
    ({ number, etag }) =>
      `<Part><PartNumber>${number}</PartNumber><ETag>&quot;${escape(etag)}&quot;</ETag></Part>`,
  );
  return `<CompleteMultipartUpload xmlns="${NAMESPACE}">${lines.join('')}</CompleteMultipartUpload>`;
}

export const locationXml = (region: string) =>
  `<CreateBucketConfiguration xmlns="${NAMESPACE}"><LocationConstraint>${escape(region)}</LocationConstraint></CreateBucketConfiguration>`;

const NAMESPACE = 'http://s3.amazonaws.com/doc/2006-03-01/';

const unquote = (etag: string | undefined) => (etag ?? '').replace(/^"|"$/g, '');

function wanted(text: string, what: string): string {
  if (text === '') throw notS3(what);
  return text;
}

type Node = Record<string, unknown>;

function rootOf(xml: string, name: string): Node | undefined {
  if (!xml.includes(`<${name}`)) return undefined;
  try {
    const root = (parser.parse(xml) as Node)[name];
    return typeof root === 'object' && root !== null ? (root as Node) : undefined;
  } catch {
    return undefined;
  }
}

function textIn(node: Node | undefined, name: string): string {
  const value = node?.[name];
  return typeof value === 'string' ? value : '';
}

function decodeListed(key: string): string {
  try {
    return decodeURIComponent(key.replace(/\+/g, ' '));
  } catch {
    return key;
  }
}

const escape = (text: string) => text.replace(/[<>&"]/g, (char) => `&#${char.charCodeAt(0)};`);
