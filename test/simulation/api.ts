import { silentLogger } from '../../shared/logger.js';
import { wantedToRun, type Desired } from '../../shared/model/desired.js';
import { idleDeadline, type Activity } from '../../shared/model/idle.js';
import type { AgentReport, ShutdownSignal } from '../../shared/model/report.js';
import type { Facts } from '../../api/services/facts.js';
import { Idleness } from '../../api/services/idleness.js';
import { POLICY } from '../support/planning.js';
import type { SimClock } from './clock.js';
import type { Random } from './random.js';
import type { SimRecords } from './store.js';

const NO_LOGGER = silentLogger();

/** What the API writes: for agents by its own rules for idle workspaces, for people what they ask for. */
export class Api {
  private readonly idleness: Idleness;
  private readonly mortality: number;
  private uids = 0;

  constructor(
    private readonly records: SimRecords,
    private readonly clock: SimClock,
    private readonly random: Random,
  ) {
    this.mortality = random.pick([0, 0.2, 0.7]);
    this.idleness = new Idleness({ records, defaults: POLICY.idle, clock, logger: NO_LOGGER });
  }

  report(id: string, report: AgentReport): void {
    const facts = this.factsFor(id, report.runId);
    if (facts === null) return;
    void this.records.reports.write(id, { ...report, receivedAt: this.now });
    // The API may end between the two; the agent's next report makes up for it.
    if (!this.random.chance(this.mortality)) void this.idleness.heed(facts, report);
  }

  shutDown(id: string, signal: ShutdownSignal): void {
    const facts = this.factsFor(id, signal.runId);
    if (facts !== null) void this.idleness.shutDown(facts, signal);
  }

  idleDeadline(id: string, activity: readonly Activity[]): number | null {
    const rules = this.idleness.rulesOf(this.factsOf(id));
    return rules && idleDeadline(rules, activity);
  }

  /** Declares it anew, or changes what is declared. */
  declare(id: string, spec: Partial<Desired['spec']> & { bucket: string }): void {
    const before = this.declared(id);
    const ended = this.records.observed.valueFor(id)?.phase === 'stopped';
    const keeps = before !== null && !(ended && before.metadata.deletionRequestedAt !== undefined);
    const metadata = keeps ? before.metadata : { id, uid: `uid-${++this.uids}`, createdAt: this.now };
    const value = { apiVersion: 'berth/v1', kind: 'Workspace', metadata, spec } as Desired;
    void this.records.desired.write(id, value);
  }

  /** @param change - given what is declared */
  change(id: string, change: (desired: Desired, now: string) => Desired): void {
    const before = this.declared(id);
    if (before !== null) void this.records.desired.write(id, change(before, this.now));
  }

  /** What is declared, as far as the API understands it. */
  private declared(id: string): Desired | null {
    const desired = this.records.desired.valueFor(id);
    return desired?.metadata.id === id ? desired : null;
  }

  private get now(): string {
    return this.clock.now().toISOString();
  }

  private factsOf(id: string): Facts {
    const { desired, observed, reports } = this.records;
    const read = desired.peek(id);
    const since = this.now;
    return {
      id,
      desired: read.kind === 'absent' ? read : { ...read, since },
      observed: observed.valueFor(id),
      report: reports.valueFor(id),
    };
  }

  /** Null where the API refuses to listen: another run, or nothing that is known. */
  private factsFor(id: string, runId: string): Facts | null {
    const facts = this.factsOf(id);
    if (facts.observed === null && facts.desired.kind === 'absent') return null;
    return (facts.observed?.runId ?? runId) === runId ? facts : null;
  }
}

export const stop = (desired: Desired): Desired => {
  const { spec } = wantedToRun(desired);
  return { ...desired, spec: { ...spec, state: 'stopped' } };
};

export const remove =
  (force: boolean) =>
  (desired: Desired, now: string): Desired => ({
    ...desired,
    metadata: {
      ...desired.metadata,
      deletionRequestedAt: now,
      ...(force ? { discardUnsaved: true } : {}),
    },
  });

export const startAgain = (desired: Desired, now: string): Desired => {
  const { deletionRequestedAt: _deletion, discardUnsaved: _discard, ...metadata } = desired.metadata;
  return { ...wantedToRun(desired), metadata: { ...metadata, startRequestedAt: now } };
};

export const extend = (desired: Desired, now: string): Desired => {
  const extendedUntil = new Date(Date.parse(now) + 3_600_000).toISOString();
  return { ...desired, spec: { ...desired.spec, extendedUntil } };
};
