import { isDeepStrictEqual } from 'node:util';
import { Document, isMap, isScalar, parseDocument, type YAMLMap, type YAMLParseError } from 'yaml';
import { InvalidRecordError, messageOf } from '../errors.js';

/** Between a record and the text of its file. */
export interface Codec {
  /** Ending of the file name, with its dot. */
  extension: string;
  /** @throws InvalidRecordError naming line and reason */
  decode(text: string, file: string): unknown;
  /** @param previous - the present text of the file; what people wrote around the values is kept */
  encode(value: unknown, previous: string | null): string;
}

export const jsonCodec: Codec = {
  extension: '.json',
  decode(text, file) {
    try {
      return JSON.parse(text) as unknown;
    } catch (error) {
      throw new InvalidRecordError(file, messageOf(error));
    }
  },
  encode: (value) => `${JSON.stringify(value, null, 2)}\n`,
};

/** YAML that keeps operators' comments, order and style when a program changes a value. */
export const yamlCodec: Codec = {
  extension: '.yaml',
  decode(text, file) {
    const document = parseDocument(text);
    const problem = document.errors[0];
    if (problem) {
      throw new InvalidRecordError(file, wordsOf(problem), problem.linePos?.[0].line ?? null);
    }
    try {
      return document.toJS() as unknown;
    } catch (error) {
      // Aliases that would unfold to more than anybody means.
      throw new InvalidRecordError(file, messageOf(error));
    }
  },
  encode(value, previous) {
    const merged = previous === null ? null : merge(value, previous);
    return merged ?? new Document(value).toString();
  },
};

/** @returns null where the previous text cannot be changed into one that says just this */
function merge(value: unknown, previous: string): string | null {
  const document = parseDocument(previous);
  if (document.errors.length > 0 || !isMap(document.contents)) return null;
  try {
    mergeMap(document, document.contents, value as Record<string, unknown>);
    const text = document.toString();
    // A value with an anchor speaks for its aliases too: changed, they say something that nobody asked for.
    const plain = JSON.parse(JSON.stringify(value)) as unknown;
    return isDeepStrictEqual(parseDocument(text).toJS(), plain) ? text : null;
  } catch {
    // An alias whose anchor was removed.
    return null;
  }
}

/** The library's words without its hints for programmers. */
function wordsOf({ code, message }: YAMLParseError): string {
  if (code === 'MULTIPLE_DOCS') return 'the file has several documents (---); one workspace a file';
  return (message.split('\n')[0] ?? '').replace(/ at line \d+, column \d+:$/, '');
}

/** Changes only what differs, so that comments and order around everything else stay. */
function mergeMap(document: Document, map: YAMLMap, value: Record<string, unknown>): void {
  for (const item of [...map.items]) {
    const key = String((item.key as { value?: unknown }).value ?? item.key);
    if (!(key in value) || value[key] === undefined) map.delete(key);
  }
  for (const [key, wanted] of Object.entries(value)) {
    if (wanted === undefined) continue;
    const node = map.get(key, true) as unknown;
    if (isMap(node) && isPlainObject(wanted)) {
      mergeMap(document, node, wanted);
    } else if (isScalar(node) && !(wanted instanceof Object)) {
      // The comment behind the value hangs on its node.
      node.value = wanted;
    } else if (JSON.stringify(document.createNode(map.get(key)).toJS(document)) !== JSON.stringify(wanted)) {
      map.set(document.createNode(key), document.createNode(wanted));
    }
  }
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
