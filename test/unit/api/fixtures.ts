import { generationOf, desiredSchema, type Desired } from '../../../shared/model/desired.js';
import type { Observed } from '../../../shared/model/observed.js';
import type { AgentReport } from '../../../shared/model/report.js';
import { urlsOf } from '../../../shared/model/urls.js';
import { QUIET_SYNC } from '../../support/quiet-sync.js';

export const NOW = '2026-01-02T03:04:05.000Z';

export function desired(id = 'one', change: { metadata?: object; spec?: object } = {}): Desired {
  return desiredSchema.parse({
    apiVersion: 'berth/v1',
    kind: 'Workspace',
    metadata: {
      id,
      uid: 'uid-1',
      createdAt: NOW,
      createdBy: 'bk1',
      labels: { team: 'a' },
      ...change.metadata,
    },
    spec: { bucket: 'demo', ...change.spec },
  });
}

/** What the controller writes once it has answered to a declaration. */
export function observed(declared: Desired, change: Partial<Observed> = {}): Observed {
  return {
    id: declared.metadata.id,
    uid: declared.metadata.uid ?? '',
    declared,
    phase: 'running',
    message: 'All three URLs answer.',
    conditions: [
      {
        type: 'RoutesReady',
        status: 'True',
        reason: 'Proven',
        message: 'They answer.',
        lastTransitionTime: NOW,
      },
    ],
    urls: urlsOf(declared.metadata.id, 'berth.localhost', 443),
    observedGeneration: generationOf(declared),
    runId: 'run-1',
    serviceId: 's1',
    networkId: 'n1',
    volumes: [],
    node: null,
    provenRoute: null,
    runVolumes: [],
    runTarget: null,
    receiptVerified: false,
    rescue: null,
    containerStarted: true,
    unsavedBefore: false,
    createdAt: NOW,
    acceptedAt: NOW,
    startedAt: '2026-01-02T03:04:07.000Z',
    stoppingAt: null,
    stoppedAt: null,
    lastStoppedAt: null,
    accessRevokedAt: null,
    shutdownReason: null,
    finalSync: null,
    halt: null,
    health: null,
    unhealthyRestart: null,
    events: [],
    ...change,
  };
}

export function stopped(declared: Desired, change: Partial<Observed> = {}): Observed {
  return observed(declared, {
    phase: 'stopped',
    message: 'Its deletion was requested.',
    stoppedAt: '2026-01-02T04:00:00.000Z',
    shutdownReason: 'UserRequest',
    ...change,
  });
}

export function report(change: Partial<AgentReport> = {}): AgentReport {
  return {
    runId: 'run-1',
    state: 'ready',
    sync: {
      ...QUIET_SYNC,
      lastSyncAt: '2026-01-02T03:05:00.000Z',
      files: 3,
      bytes: 42,
      uploaded: 1,
      downloaded: 2,
    },
    lastActivityAt: '2026-01-02T03:04:30.000Z',
    oomKills: 0,
    activity: [{ signal: 'files', lastAt: '2026-01-02T03:04:30.000Z' }],
    ...change,
  };
}
