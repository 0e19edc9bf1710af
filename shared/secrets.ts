import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { BerthError, codeOf } from './errors.js';

/**
 * Reads a file below `secrets/` in the state folder.
 *
 * @throws BerthError `BERTH_SECRET_MISSING`
 */
export async function readSecret(stateDir: string, name: string): Promise<string> {
  const file = path.join(stateDir, 'secrets', name);
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    const why = codeOf(error) ?? 'unreadable';
    throw new BerthError('BERTH_SECRET_MISSING', `${file}: ${why}; \`make up\` makes it`, { cause: error });
  }
}
