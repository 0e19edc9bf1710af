import type { Desired } from '../../shared/model/desired.js';
import type { IdleDefaults } from '../../shared/model/idle.js';
import type { Observed, ShutdownReason } from '../../shared/model/observed.js';
import type { StoredReport } from '../../shared/model/report.js';
import type { WorkspaceUrls } from '../../shared/model/urls.js';
import type {
  GatewayState,
  LeaverState,
  NetworkState,
  ServiceRequest,
  ServiceState,
  TaskState,
} from '../ports/cluster.js';
import type { ReceiptFinding } from '../ports/receipts.js';
import type { RouteFindings } from '../ports/prober.js';
import type { ConditionsFinding } from '../ports/write-conditions.js';

/** What the reader of the desired file found. */
export type DeclarationRead =
  | { kind: 'absent' }
  | { kind: 'valid'; desired: Desired }
  | { kind: 'invalid'; reason: string; message: string };

/** What exists of one workspace now. */
export interface World {
  service: ServiceState | null;
  /** Tasks of that service only. */
  tasks: TaskState[];
  /** Tasks of services that are gone whose containers may still write: nothing must come beside them. */
  leavers: LeaverState[];
  network: NetworkState | null;
  volumes: string[];
  gateway: (Pick<GatewayState, 'containerId'> & { attached: boolean }) | null;
  /** Answers of the URLs, when they were worth asking. */
  routes: RouteFindings | null;
  /** What the bucket says of the run's receipt, when it was worth asking. */
  receipt: ReceiptFinding | null;
  /** Another workspace on the same place, when this one is about to start there. */
  rival: Rival | null;
  /** Memory that a start may take, when this one is about to start. */
  freeBytes: number | null;
  /** It is about to start, and so are as many others as may at a time. */
  queued: boolean;
}

/** Another workspace that writes to the place where one wants to start. */
export interface Rival {
  id: string;
  /** It is being stopped. */
  ending: boolean;
  /** It has no service yet, and may wait for long, or be given up. */
  starting?: boolean;
  /** Whether the server keeps the two apart. */
  conditions: ConditionsFinding;
}

export interface Policy {
  allowedImages: readonly string[];
  startDeadlineMs: number;
  stopDeadlineMs: number;
  idle: IdleDefaults;
  /** How long a workspace may run at most, as a duration; undefined: for ever. */
  maxAge: string | undefined;
  /** How long a workspace is stopped before its records are archived. */
  archiveAfterMs: number;
  healthIntervalMs: number;
  /** Of the host's memory, above which nothing is started. */
  memoryLimitPercent: number;
}

export interface PlanInput {
  id: string;
  declaration: DeclarationRead;
  observed: Observed | null;
  world: World;
  report: StoredReport | null;
  urls: WorkspaceUrls;
  /** Names of the volumes that belong to a declaration. */
  volumesOf: (desired: Desired) => { workspace: string; home: string };
  /** A fresh identifier, used if a run begins now. */
  nextRunId: string;
  now: Date;
  policy: Policy;
}

/** One step; each is idempotent, and the steps of one plan do not depend on each other. */
export type Action =
  | { type: 'createNetwork' }
  | { type: 'createService'; request: Omit<ServiceRequest, 'workspaceId'> }
  | { type: 'attachGateway'; network: NetworkState; containerId: string }
  | { type: 'scaleToZero'; serviceId: string }
  | { type: 'removeService'; serviceId: string }
  | { type: 'removeNetwork'; networkId: string; gatewayContainerId: string | null }
  | { type: 'removeVolume'; name: string }
  | { type: 'archive' };

/** Why a workspace shall not run, in a word and in words. */
export interface StopCause {
  reason: ShutdownReason;
  message: string;
}

export interface Plan {
  /** The record to keep; null for an orphan, which has none. */
  observed: Observed | null;
  actions: Action[];
  /** Look again after so many milliseconds even if nothing is heard; null: the resync is enough. */
  requeueAfterMs: number | null;
}
