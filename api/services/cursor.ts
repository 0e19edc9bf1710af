import { ID_PATTERN } from '../../shared/model/ids.js';

/** Where a list goes on: behind this id. Opaque to clients, so that its content may change. */
export function encodeCursor(lastId: string): string {
  return Buffer.from(`after:${lastId}`).toString('base64url');
}

/** @returns the id, or null when the text is no cursor of ours */
export function decodeCursor(cursor: string): string | null {
  const [, id] = /^after:(.+)$/.exec(Buffer.from(cursor, 'base64url').toString()) ?? [];
  return id !== undefined && ID_PATTERN.test(id) && encodeCursor(id) === cursor ? id : null;
}
