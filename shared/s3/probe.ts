import { randomUUID } from 'node:crypto';
import { S3Error } from './s3-error.js';
import type { Condition, S3Port } from './s3-port.js';

const ABSENT: Condition = { kind: 'absent' };
/** The MD5 of nothing that is ever written. */
const WRONG: Condition = { kind: 'match', etag: '0'.repeat(32) };

/**
 * Tries on an object of its own whether a server keeps writers apart.
 *
 * @param root - what the keys of the workspace begin with
 * @returns the conditions that it refuses or overlooks, in words; none when all is well
 * @throws S3Error when the server cannot be asked
 */
export async function missingConditions(s3: S3Port, root: string): Promise<string[]> {
  const key = `${root}.berth/probe/${randomUUID()}`;
  const write = (content: string, condition: Condition) => s3.put(key, Buffer.from(content), {}, condition);
  const missing: string[] = [];
  try {
    if (
      !(await heeds(
        () => write('', ABSENT),
        () => write('1', ABSENT),
      ))
    )
      missing.push('If-None-Match');
    const never = `${key}-2`;
    const held = await heeds(null, () => write('2', WRONG));
    const heldOnNothing = await heeds(null, () => s3.put(never, Buffer.from(''), {}, WRONG));
    if (!held || !heldOnNothing) missing.push('If-Match');
    await s3.remove(never, { kind: 'none' });
    const refused = await heeds(null, () => s3.remove(key, WRONG));
    if (!refused || (await s3.head(key)) === null) missing.push('If-Match of DELETE');
    return missing;
  } finally {
    await s3.remove(key, { kind: 'none' });
  }
}

/** Whether the first request passes and the second does not, as it should not. */
async function heeds(good: (() => Promise<unknown>) | null, bad: () => Promise<unknown>): Promise<boolean> {
  try {
    await good?.();
  } catch (error) {
    if (error instanceof S3Error && error.kind === 'unsupported') return false;
    throw error;
  }
  try {
    await bad();
    return false;
  } catch (error) {
    if (!(error instanceof S3Error)) throw error;
    if (error.kind === 'unsupported') return false;
    if (error.kind === 'precondition' || error.kind === 'missing') return true;
    throw error;
  }
}
