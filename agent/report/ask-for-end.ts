import type { Activity } from '../../shared/model/idle.js';
import { shutdownAnswerSchema, type ShutdownAnswer, type ShutdownSignal } from '../../shared/model/report.js';
import type { AgentConfig } from '../config.js';
import { callApi } from './call-api.js';

/** Longest wait for the answer. */
const TIMEOUT_MS = 5_000;

/**
 * Asks the API for the end of the workspace, since nobody works in it.
 *
 * @throws when there is no answer that could be understood
 */
export async function askForEnd(config: AgentConfig, activity: Activity[]): Promise<ShutdownAnswer> {
  const url = new URL('/agent/shutdown', config.BERTH_API_URL).href;
  const signal: ShutdownSignal = { runId: config.BERTH_RUN_ID, reason: 'Inactivity', activity };
  const { status, text } = await callApi('PUT', url, {
    ...{ token: config.BERTH_AGENT_TOKEN, body: signal },
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  if (status !== 200) throw new Error(`the API answered ${status} to the shutdown signal`);
  return shutdownAnswerSchema.parse(JSON.parse(text));
}
