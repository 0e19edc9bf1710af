import path from 'node:path';
import { readTextOrNull } from '../../shared/store/atomic-file.js';

const KEY = /^[0-9a-f]{64}$/i;

/** Reads the key that signs agents' tokens; null while there is no (valid) one. */
export type AgentKeySource = () => Promise<string | null>;

/**
 * The key in `secrets/agent-token.key`. It is read at each report (one a minute and workspace), so that
 * a key that is made later needs no restart.
 */
export function agentKeyOf(stateDir: string): AgentKeySource {
  const file = path.join(stateDir, 'secrets', 'agent-token.key');
  return async () => {
    const key = (await readTextOrNull(file))?.trim() ?? '';
    return KEY.test(key) ? key : null;
  };
}
