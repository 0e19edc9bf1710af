import { randomBytes } from 'node:crypto';

/** Lower-case base32 without look-alikes is not needed: ids are copied, not read out. */
const BASE32 = 'abcdefghijklmnopqrstuvwxyz234567';
const ID_LENGTH = 12;

/**
 * A workspace id or a caller's name. `{id}-code` must stay one DNS label (63 octets) and the Docker
 * names derived from it stay below Swarm's limit of 63, hence 40.
 */
export const ID_PATTERN = /^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$/;

/**
 * Makes a random workspace id: 12 characters of lower-case base32, the first one a letter (so that it
 * is a DNS label everywhere), 59 bits of randomness.
 *
 * @param random - source of randomness; tests pass a seeded one
 */
export function newWorkspaceId(random: (size: number) => Buffer = randomBytes): string {
  const bytes = random(ID_LENGTH);
  let id = '';
  for (let i = 0; i < ID_LENGTH; i++) {
    const letters = i === 0 ? 26 : 32;
    id += BASE32[(bytes[i] ?? 0) % letters];
  }
  return id;
}

/** An identifier for one declaration or one run of a workspace: 16 hex digits. */
export function newUid(random: (size: number) => Buffer = randomBytes): string {
  return random(8).toString('hex');
}
