import { createHash } from 'node:crypto';
import type { AccessClaims, VerifiedAccess } from '../../shared/access-token.js';
import { allows, sees, type KeyOwner } from '../auth/permissions.js';
import type { Facts } from '../services/facts.js';
import type { Place } from './question.js';

/** What there is to open. */
export interface Premises {
  /** Nothing answers at the URLs of one that is stopped. */
  isOpen: boolean;
  life: string;
  labels: Readonly<Record<string, string>>;
  /** Its own app's URL is for everybody. */
  isWebPublic: boolean;
  /** Whatever was issued until then holds no more: it was revoked, or stopped; ms since 1970. */
  closedAt: number;
}

/** Who opens an IDE has a shell there: it takes more than to look. */
export function mayOpen(owner: KeyOwner, { labels }: Pick<Premises, 'labels'>): boolean {
  return allows(owner, 'write') && sees(owner, labels);
}

/** Whether a token, which is a valid one, opens this URL now. */
export function holds(token: VerifiedAccess, place: Place, premises: Premises): boolean {
  return isFor(token, place) && token.life === premises.life && token.grantedAt > premises.closedAt;
}

const isFor = (claims: Pick<AccessClaims, 'workspaceId' | 'service'>, place: Place) =>
  claims.workspaceId === place.workspaceId && claims.service === place.service;

/**
 * Names one life of a workspace: from the wish that it starts to its stop. A container that is replaced in
 * between (a crash, an unhealthy one) locks nobody out.
 */
export function lifeOf({ desired, observed }: Pick<Facts, 'desired' | 'observed'>): string {
  const metadata = desired.kind === 'valid' ? desired.value.metadata : observed?.declared?.metadata;
  const { uid = '', createdAt = observed?.createdAt ?? '', startRequestedAt = '' } = metadata ?? {};
  return createHash('sha256')
    .update(JSON.stringify([uid, createdAt, startRequestedAt]))
    .digest('hex')
    .slice(0, 16);
}
