import { createHmac } from 'node:crypto';
import { jwtVerify, SignJWT } from 'jose';
import { SERVICES, type ServiceName } from './model/urls.js';

const ALGORITHM = 'HS256';

/** `link`: once, in a URL; `session`: in a cookie; `probe`: the controller's own, for any workspace's URL. */
export type AccessKind = 'link' | 'session' | 'probe';

/** What a token of access to one URL of a workspace says. */
export interface AccessClaims {
  /** Id of the API key on whose behalf it was made. */
  keyId: string;
  workspaceId: string;
  service: ServiceName;
  /** Which life of the workspace it is for: a stop ends it. */
  life: string;
}

/**
 * A token that holds (ms since 1970): when it was signed, until when it holds, and when the access that it
 * carries on was granted. A revocation ends all that was granted before it, whenever it was signed anew.
 */
export type VerifiedAccess = AccessClaims & { grantedAt: number; signedAt: number; expiresAt: number };

/**
 * @param key - the content of `secrets/agent-token.key`, hexadecimal; what is signed with it for agents
 *   is of no use here, nor the other way round
 * @param grantedAt - of the token that this one follows; by default now
 */
export function signAccess(
  kind: AccessKind,
  { keyId, workspaceId, service, life }: AccessClaims,
  { key, now, seconds, grantedAt }: { key: string; now: Date; seconds: number; grantedAt?: number },
): Promise<string> {
  const issued = Math.floor(now.getTime() / 1000);
  // A revocation and a new link may be less than a second apart, and `iat` tells whole seconds.
  return new SignJWT({ ws: workspaceId, svc: service, life, at: grantedAt ?? now.getTime() })
    .setProtectedHeader({ alg: ALGORITHM })
    .setSubject(keyId)
    .setAudience(audienceOf(kind))
    .setIssuedAt(issued)
    .setExpirationTime(issued + seconds)
    .sign(secretOf(key));
}

/** @returns what the token says; null when it is forged, expired, of another kind or malformed */
export async function verifyAccess(
  kind: AccessKind,
  token: string,
  { key, now }: { key: string; now: Date },
): Promise<VerifiedAccess | null> {
  const options = {
    ...{ algorithms: [ALGORITHM], audience: audienceOf(kind), currentDate: now },
    requiredClaims: ['sub', 'ws', 'svc', 'life', 'at', 'iat', 'exp'],
  };
  const verified = await jwtVerify(token, secretOf(key), options).catch((): null => null);
  if (verified === null) return null;
  const { sub, ws, svc, life, at, iat, exp } = verified.payload;
  const service = SERVICES.find((name) => name === svc);
  if (service === undefined) return null;
  return {
    ...{ keyId: String(sub), workspaceId: String(ws), service, life: String(life) },
    ...{ grantedAt: Number(at), signedAt: Number(iat) * 1000, expiresAt: Number(exp) * 1000 },
  };
}

const audienceOf = (kind: AccessKind) => `berth-access-${kind}`;

/** A key of its own, so that no token of an agent can ever pass for one of these. */
const secretOf = (key: string) =>
  createHmac('sha256', Buffer.from(key.trim(), 'hex')).update('berth access').digest();
