import { jwtVerify, SignJWT } from 'jose';

const ALGORITHM = 'HS256';
const AUDIENCE = 'berth-agent';

/** Whom an agent's token speaks for. */
export interface AgentIdentity {
  /** Workspace id. */
  id: string;
  runId: string;
}

/**
 * Signs the token with which the agent of one run reports to the API. It ends with the run: a report
 * of an earlier run is recognised by its `runId`, so the token needs no expiry of its own.
 *
 * @param key - the content of `secrets/agent-token.key`, hexadecimal
 */
export function signAgentToken(identity: AgentIdentity, key: string): Promise<string> {
  return new SignJWT({ run: identity.runId })
    .setProtectedHeader({ alg: ALGORITHM })
    .setSubject(identity.id)
    .setAudience(AUDIENCE)
    .setIssuedAt()
    .sign(secretOf(key));
}

/**
 * @returns whom the token speaks for
 * @throws jose's `JOSEError` when the token is forged, of another purpose or malformed
 */
export async function verifyAgentToken(token: string, key: string): Promise<AgentIdentity> {
  const { payload } = await jwtVerify(token, secretOf(key), {
    algorithms: [ALGORITHM],
    audience: AUDIENCE,
    requiredClaims: ['sub', 'run'],
  });
  return { id: String(payload.sub), runId: String(payload['run']) };
}

function secretOf(key: string): Uint8Array {
  return Buffer.from(key.trim(), 'hex');
}
