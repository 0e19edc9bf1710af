import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { BerthError, codeOf, messageOf } from '../shared/errors.js';
import type { ControllerSettings } from './config.js';

/**
 * The certificate of the authority that vouches for the gateway's: this Berth's own, or the one that the
 * operator named (`BERTH_TLS_CA`).
 *
 * @returns undefined where a public authority does
 */
export async function privateAuthority(
  settings: Pick<ControllerSettings, 'BERTH_STATE_DIR' | 'BERTH_TLS'>,
): Promise<string | undefined> {
  const local = settings.BERTH_TLS === 'local';
  const file = path.join(settings.BERTH_STATE_DIR, 'tls', local ? 'ca.crt' : 'private-ca.crt');
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (!local && codeOf(error) === 'ENOENT') return undefined;
    throw new BerthError('BERTH_CA_MISSING', `${file}: ${messageOf(error)}; \`make up\` makes it`);
  }
}
