import express, { type Express } from 'express';
import type { Clock } from '../shared/clock.js';
import { idleDefaultsOf } from '../shared/config.js';
import type { Logger } from '../shared/logger.js';
import type { Records } from '../shared/store/records.js';
import { Gatekeeper } from './access/gatekeeper.js';
import { Links } from './access/links.js';
import { PremisesReader } from './access/premises.js';
import type { AgentKeySource } from './auth/agent-key.js';
import type { KeyRing } from './auth/key-ring.js';
import type { Buckets } from './download/buckets.js';
import { Downloads } from './download/downloads.js';
import { auditLog, type Audit } from './middleware/audit.js';
import { failureLimit, hasUnknownKey, onlyForKeys } from './middleware/failure-limit.js';
import { requireApiKey, requireScope, requireUnconfined } from './middleware/authentication.js';
import { methodNotAllowed, notFound, problemDetails } from './middleware/problem-details.js';
import { requestLog } from './middleware/request-log.js';
import { accessRouter } from './routes/access.js';
import { agentRouter } from './routes/agent.js';
import { containersRouter } from './routes/containers.js';
import { descriptionRouter } from './routes/description.js';
import { filesRouter } from './routes/files.js';
import { loginRouter } from './routes/login.js';
import { probesRouter } from './routes/probes.js';
import { systemRouter } from './routes/system.js';
import { ChangeHub } from './services/change-hub.js';
import { Admission } from './services/admission.js';
import { FactsReader } from './services/facts.js';
import { Idleness } from './services/idleness.js';
import type { SessionKeysSource } from './services/session-keys.js';
import { Sharing } from './services/sharing.js';
import { System } from './services/system.js';
import { Workspaces } from './services/workspaces.js';
import type { ApiSettings } from './settings.js';

export interface AppDependencies {
  records: Records;
  keys: Pick<KeyRing, 'verify' | 'believes' | 'owner'>;
  audit: Audit;
  agentKey: AgentKeySource;
  buckets: Buckets;
  sessionKeys: SessionKeysSource;
  clock: Clock;
  logger: Logger;
  settings: ApiSettings;
  version: string;
  /** Aborted when the program ends: calls that wait are answered with what there is. */
  stopping?: AbortSignal;
}

/** Builds the API. It holds no state that matters: all of it is in the records. */
export function createApp(dependencies: AppDependencies): Express {
  const { records, keys, audit, agentKey, buckets, sessionKeys, clock, logger, settings, version } =
    dependencies;
  const stopping = dependencies.stopping ?? new AbortController().signal;
  const facts = new FactsReader(records, logger);
  const hub = new ChangeHub(records.observed, clock);
  const workspaces = new Workspaces({
    records,
    facts,
    admission: new Admission(records, clock),
    hub,
    clock,
    settings,
  });
  const idleness = new Idleness({ records, defaults: idleDefaultsOf(settings), clock, logger });
  const sharing = new Sharing(facts, settings, clock);
  const downloads = new Downloads({ buckets, logger });
  const system = new System({ records, clock, version });
  const premises = new PremisesReader(facts, settings, clock);
  const links = new Links({ premises, agentKey, clock, settings });
  const gatekeeper = new Gatekeeper({ premises, keys, agentKey, clock, settings });
  const authenticated = requireApiKey(keys);

  const app = express();
  app.disable('x-powered-by');
  // Views carry an ETag of their own; nothing else is worth caching.
  app.disable('etag');
  // The client is who speaks to the gateway, the one hop before this; what clients claim beyond it is dropped there.
  app.set('trust proxy', 1);
  app.use(requestLog(logger, clock));
  const limit = failureLimit(settings.BERTH_AUTH_FAILURES_PER_MINUTE);
  const limited = limit(hasUnknownKey(keys));
  app.use(probesRouter(system));
  app.use(descriptionRouter({ settings, version }));
  app
    .route('/auth')
    // Traefik's forwardAuth asks here before it lets a request pass.
    .get(limited, authenticated, requireUnconfined, (_request, response) => {
      response.json({ status: 'ok' });
    })
    .all(methodNotAllowed('GET', 'HEAD'));
  app.use('/access', onlyForKeys(limited));
  app.use(accessRouter(gatekeeper, settings.BERTH_DOMAIN));
  app.use(
    '/login',
    auditLog(audit, clock),
    limit(({ method }) => method === 'POST'),
  );
  app.use(loginRouter({ keys, workspaces, links, settings }));
  app.use('/agent', agentRouter({ records, facts, sharing, idleness, agentKey, sessionKeys, clock }));
  app.use(
    '/api',
    auditLog(audit, clock),
    limited,
    authenticated,
    requireScope,
    (_request, response, next) => {
      // A state is kept by nobody without asking for the present one first.
      response.set('Cache-Control', 'private, no-cache');
      next();
    },
  );
  app.use(
    '/api/containers',
    containersRouter({ workspaces, links, settings, stopping }),
    filesRouter(workspaces, downloads),
  );
  app.use('/api/system', requireUnconfined, systemRouter(system));
  app.use(notFound);
  app.use(problemDetails(logger));
  return app;
}
