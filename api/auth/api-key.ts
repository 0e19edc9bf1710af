import { randomBytes } from 'node:crypto';

const BASE32 = 'abcdefghijklmnopqrstuvwxyz234567';
/** Letters and digits only, so that a double click selects the whole key. */
const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const ID_LENGTH = 8;
/** 62^32 is 190 bits. */
const SECRET_LENGTH = 32;

/** No `_`: it ends the id. */
export const KEY_ID = /^[A-Za-z0-9][A-Za-z0-9-]{0,31}$/;

/** Cost 14 takes a second in JavaScript; more would stop the API for everybody. */
export const BCRYPT_HASH = /^\$2[aby]\$(0[4-9]|1[0-4])\$[./A-Za-z0-9]{53}$/;

/** The id is what precedes the first `_`. bcrypt ignores all beyond 72 bytes, so longer is refused. */
const KEY = /^([A-Za-z0-9][A-Za-z0-9-]{0,31})_([A-Za-z0-9._~+/=-]{16,72})$/;

export interface ApiKey {
  /** Public: names the key in records and logs. */
  id: string;
  secret: string;
}

/** Makes a random key: id `bk` and 8 characters of base32, secret of 190 bits. */
export function newApiKey(random: (size: number) => Buffer = randomBytes): ApiKey {
  return { id: `bk${draw(BASE32, ID_LENGTH, random)}`, secret: draw(BASE62, SECRET_LENGTH, random) };
}

/** A key as its owner holds it: `<id>_<secret>`. */
export function formatApiKey(key: ApiKey): string {
  return `${key.id}_${key.secret}`;
}

/** @returns null when the text cannot be a key */
export function parseApiKey(text: string): ApiKey | null {
  const [, id, secret] = KEY.exec(text) ?? [];
  return id === undefined || secret === undefined ? null : { id, secret };
}

/** Bytes beyond the last whole multiple are thrown away: each character is equally likely. */
function draw(alphabet: string, length: number, random: (size: number) => Buffer): string {
  const limit = 256 - (256 % alphabet.length);
  let text = '';
  while (text.length < length) {
    for (const byte of random(length - text.length)) {
      if (byte < limit) text += alphabet[byte % alphabet.length];
    }
  }
  return text;
}
