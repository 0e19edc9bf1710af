import { Router, type RequestHandler, type Response } from 'express';
import { verifyAgentToken, type AgentIdentity } from '../../shared/agent-token.js';
import type { Clock } from '../../shared/clock.js';
import { ID_PATTERN } from '../../shared/model/ids.js';
import {
  agentReportSchema,
  shutdownSignalSchema,
  type ReportAnswer,
  type ShutdownAnswer,
} from '../../shared/model/report.js';
import type { Records } from '../../shared/store/records.js';
import type { AgentKeySource } from '../auth/agent-key.js';
import { bearerOf } from '../middleware/authentication.js';
import { jsonBody } from '../middleware/json-body.js';
import { methodNotAllowed } from '../middleware/problem-details.js';
import { Problem, unauthenticated } from '../problem.js';
import type { Facts, FactsReader } from '../services/facts.js';
import type { Idleness } from '../services/idleness.js';
import type { Sharing } from '../services/sharing.js';
import type { SessionKeysSource } from '../services/session-keys.js';
import { parseBody } from './validation.js';

export interface AgentOptions {
  records: Records;
  facts: FactsReader;
  sharing: Sharing;
  idleness: Idleness;
  agentKey: AgentKeySource;
  sessionKeys: SessionKeysSource;
  clock: Clock;
}

/** `/agent`: what workspaces' agents tell, each for its own workspace only. */
export function agentRouter(options: AgentOptions): Router {
  const { records, facts, sharing, idleness, agentKey, sessionKeys, clock } = options;
  const router = Router();
  router
    .route('/report')
    .put(requireAgent(agentKey), ...jsonBody(), async (request, response) => {
      const agent = agentOf(response);
      const report = parseBody(agentReportSchema, request.body);
      assertOwn(agent, report);
      const known = await currentFacts(facts, agent);
      await records.reports.write(agent.id, { ...report, receivedAt: clock.now().toISOString() });
      await idleness.heed(known, report);
      const pull = await sharing.wantsPull(agent.id);
      response.json({ pull, idle: idleness.rulesOf(known) } satisfies ReportAnswer);
    })
    .all(methodNotAllowed('PUT'));
  router
    .route('/shutdown')
    .put(requireAgent(agentKey), ...jsonBody(), async (request, response) => {
      const agent = agentOf(response);
      const signal = parseBody(shutdownSignalSchema, request.body);
      assertOwn(agent, signal);
      const known = await currentFacts(facts, agent);
      const accepted = await idleness.shutDown(known, signal);
      response.json({ accepted, idle: idleness.rulesOf(known) } satisfies ShutdownAnswer);
    })
    .all(methodNotAllowed('PUT'));
  router
    .route('/credentials')
    .get(requireAgent(agentKey), async (_request, response) => {
      const agent = agentOf(response);
      const { observed } = await currentFacts(facts, agent);
      // Its token is worth nothing any more, but for what a rescue has to bring to the bucket.
      if (observed?.phase === 'stopped' && observed.rescue === null)
        throw new Problem('BERTH_RUN_SUPERSEDED', 'This run is over.');
      const target = observed?.runTarget ?? null;
      const keys = target && (await sessionKeys(agent.id, target));
      if (keys === null) throw new Problem('BERTH_NOT_FOUND', 'There are no keys for this workspace alone.');
      response.set('Cache-Control', 'no-store').json(keys);
    })
    .all(methodNotAllowed('GET', 'HEAD'));
  return router;
}

function requireAgent(agentKey: AgentKeySource): RequestHandler {
  return async (request, response, next) => {
    const token = bearerOf(request);
    if (token === null) throw unauthenticated("This call needs an agent's token.");
    const key = await agentKey();
    if (key === null) {
      throw new Problem(
        'BERTH_NOT_READY',
        'secrets/agent-token.key is missing or is not 64 hexadecimal digits.',
      );
    }
    response.locals['agent'] = await identify(token, key);
    next();
  };
}

async function identify(token: string, key: string): Promise<AgentIdentity> {
  const agent = await verifyAgentToken(token, key).catch((): null => null);
  if (agent === null || !ID_PATTERN.test(agent.id)) throw unauthenticated("The agent's token is not valid.");
  return agent;
}

function agentOf(response: Response): AgentIdentity {
  return response.locals['agent'] as AgentIdentity;
}

function assertOwn(agent: AgentIdentity, { runId }: { runId: string }): void {
  if (runId === agent.runId) return;
  const errors = [{ field: 'runId', message: 'is not the run that the token was made for' }];
  throw new Problem('BERTH_BODY_INVALID', 'It speaks for another run than the token.', { errors });
}

/** A container that outlived its run must not speak for the one that followed, nor for nobody. */
async function currentFacts(facts: FactsReader, agent: AgentIdentity): Promise<Facts> {
  const known = await facts.read(agent.id);
  const { desired, observed } = known;
  if (observed === null && desired.kind === 'absent') {
    throw new Problem('BERTH_WORKSPACE_UNKNOWN', `There is no workspace "${agent.id}" (any more).`);
  }
  const runId = observed?.runId ?? null;
  if (runId !== null && runId !== agent.runId) {
    throw new Problem('BERTH_RUN_SUPERSEDED', 'Another run of this workspace has begun; this one is over.');
  }
  return known;
}
