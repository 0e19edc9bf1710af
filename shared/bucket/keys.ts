import { DIR_MARKERS, RESERVED, rootOf } from '../model/bucket-layout.js';
import type { Kind } from './metadata.js';

const MAX_COMPONENT_BYTES = 255;
const MAX_KEY_BYTES = 1024;

/** A name that cannot become an object key, or a key that cannot become a name. */
export class KeyError extends Error {
  override readonly name = 'KeyError';
}

const hex = (char: string) => `%${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`;

/**
 * Only what some server is known to mangle is escaped, so that the bucket stays readable with ordinary
 * tools: control characters, the backslash (SeaweedFS makes it a slash), and a percent sign that would
 * read as an escape.
 */

const UNSAFE = /[\u0000-\u001f\u007f\\]|%(?=[0-9A-Fa-f]{2})/g;

function encodeComponent(name: string): string {
  const encoded = name.replace(UNSAFE, hex);
  // Names that servers or Berth itself use internally: SeaweedFS hides them from LIST.
  if (encoded === '.berth' || encoded === '.uploads') return `%2E${encoded.slice(1)}`;
  if (encoded.endsWith('.versions')) return `${encoded.slice(0, -'.versions'.length)}%2Eversions`;
  return encoded;
}

/**
 * Object key of a path inside the workspace.
 *
 * @param path - relative, `/`-separated, no empty, `.` or `..` components
 * @throws KeyError when a name would be longer than S3 servers take
 */
export function encodePath(path: string): string {
  if (/\p{Surrogate}/u.test(path)) throw new KeyError('the name is not valid Unicode');
  const components = path.split('/').map(encodeComponent);
  for (const component of components) {
    if (Buffer.byteLength(component) > MAX_COMPONENT_BYTES)
      throw new KeyError(`a name has more than ${MAX_COMPONENT_BYTES} bytes when encoded`);
  }
  return components.join('/');
}

/**
 * Path that a key stands for. Keys made by other tools may contain escapes that we would not have
 * written; such a key is taken literally, so that no two keys become one file.
 *
 * @throws KeyError when the key would lead out of the workspace or cannot be a file name
 */
export function decodeKey(key: string): string {
  const decoded = key.replace(/%[0-9A-Fa-f]{2}/g, (escape) => {
    const code = Number.parseInt(escape.slice(1), 16);
    return code < 0x80 ? String.fromCharCode(code) : escape;
  });
  const path = encodesTo(decoded, key) ? decoded : key;
  for (const component of path.split('/')) {
    if (component === '') throw new KeyError('the key has an empty component');
    if (component === '.' || component === '..')
      throw new KeyError('the key has a step that leads out of its folder');
    if (component.includes('\0')) throw new KeyError('the key contains NUL');
    if (Buffer.byteLength(component) > MAX_COMPONENT_BYTES)
      throw new KeyError(`a name has more than ${MAX_COMPONENT_BYTES} bytes`);
  }
  return path;
}

function encodesTo(path: string, key: string): boolean {
  try {
    return encodePath(path) === key;
  } catch {
    return false;
  }
}

/**
 * Identity of an entry: the path, with a trailing slash for a folder, so that a file and a folder of
 * the same name (one replaced by the other) stay two different things.
 */
export type EntryId = string;
export const idOf = (path: string, kind: Kind): EntryId => (kind === 'dir' ? `${path}/` : path);
export const isDirId = (id: EntryId) => id.endsWith('/');
export const pathOf = (id: EntryId) => (isDirId(id) ? id.slice(0, -1) : id);

/** Folders above a path, the nearest first; the root is not among them. */
export function ancestorsOf(path: string): string[] {
  const found: string[] = [];
  for (let slash = path.lastIndexOf('/'); slash > 0; slash = path.lastIndexOf('/', slash - 1))
    found.push(path.slice(0, slash));
  return found;
}

/** Between entries and full keys below the workspace's prefix. */
export class Keyspace {
  readonly root: string;

  /** @param prefix - '' or a path in the bucket, with or without slashes at its ends */
  constructor(prefix: string) {
    this.root = rootOf(prefix);
  }

  /** @throws KeyError */
  keyOf(id: EntryId): string {
    const encoded = encodePath(pathOf(id));
    const key = this.root + (isDirId(id) ? DIR_MARKERS + encoded : encoded);
    if (Buffer.byteLength(key) > MAX_KEY_BYTES)
      throw new KeyError(`the path has more than ${MAX_KEY_BYTES} bytes when encoded`);
    return key;
  }

  /** The key that we would choose for an entry; null when there is none, though other tools have found one. */
  canonical(id: EntryId): string | null {
    try {
      return this.keyOf(id);
    } catch (error) {
      if (error instanceof KeyError) return null;
      throw error;
    }
  }

  /**
   * @returns the entry of a key, or null for reserved keys that are no entry
   * @throws KeyError
   */
  entryOf(fullKey: string): EntryId | null {
    if (!fullKey.startsWith(this.root)) throw new KeyError('the key lies outside the prefix');
    const key = fullKey.slice(this.root.length);
    if (key.startsWith(DIR_MARKERS)) return `${decodeKey(key.slice(DIR_MARKERS.length))}/`;
    if (key.startsWith(RESERVED) || key === '.berth') return null;
    // Other tools mark a folder by a key with a trailing slash.
    if (key.endsWith('/')) return `${decodeKey(key.slice(0, -1))}/`;
    return decodeKey(key);
  }
}
