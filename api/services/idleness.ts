import type { Clock } from '../../shared/clock.js';
import { RecordConflictError } from '../../shared/errors.js';
import type { Logger } from '../../shared/logger.js';
import { wantedToRun, type Desired } from '../../shared/model/desired.js';
import {
  idleDeadline,
  idleRulesOf,
  idleSince,
  isTakenBack,
  type IdleDefaults,
  type IdleRules,
} from '../../shared/model/idle.js';
import type { AgentReport, ShutdownSignal } from '../../shared/model/report.js';
import type { RecordStores } from '../../shared/store/records.js';
import type { Facts } from './facts.js';

export interface IdlenessOptions {
  records: Pick<RecordStores, 'desired'>;
  defaults: IdleDefaults;
  clock: Clock;
  logger: Logger;
}

/** Declares idle workspaces as stopped, and takes that back when somebody works after all (docs/idle.md). */
export class Idleness {
  constructor(private readonly options: IdlenessOptions) {}

  /** When the workspace counts as idle; null while its declaration is unknown or broken. */
  rulesOf({ desired, observed }: Facts): IdleRules | null {
    const declared = desired.kind === 'valid' ? desired.value : observed?.declared;
    if (!declared) return null;
    return idleRulesOf(declared.spec, observed?.startedAt ?? null, this.options.defaults);
  }

  /**
   * An agent asks for the end of its workspace. What it says is not believed but added to what is on
   * record: somebody may have extended the time, changed the rules, or worked a moment ago.
   *
   * @returns whether the stop is declared
   */
  async shutDown(facts: Facts, signal: ShutdownSignal): Promise<boolean> {
    const { desired, report } = facts;
    const rules = this.rulesOf(facts);
    if (rules === null || desired.kind !== 'valid' || !isMeantToRun(desired.value)) return false;
    const activity = [...signal.activity, ...(report?.runId === signal.runId ? report.activity : [])];
    const deadline = idleDeadline(rules, activity);
    const since = idleSince(rules, activity);
    if (deadline === null || since === null || deadline > this.options.clock.now().getTime()) return false;
    const stopped = stoppedSince(desired.value, since);
    const written = await this.tryWrite(facts.id, stopped, desired.etag);
    if (written)
      this.options.logger.info('stopped for inactivity', { id: facts.id, since: stopped.spec.idleSince });
    return written;
  }

  /** @param facts - from before the report came */
  async heed(facts: Facts, report: AgentReport): Promise<void> {
    const { id, desired } = facts;
    if (desired.kind !== 'valid' || !isTakenBack(desired.value.spec, report, this.options.defaults)) return;
    if (await this.tryWrite(id, wantedToRun(desired.value), desired.etag))
      this.options.logger.info('somebody works: the stop for inactivity is taken back', { id });
  }

  /** Whoever wrote in between knows better; the agent will tell again. */
  private async tryWrite(id: string, value: Desired, ifMatch: string): Promise<boolean> {
    try {
      await this.options.records.desired.write(id, value, { ifMatch });
      return true;
    } catch (error) {
      if (error instanceof RecordConflictError) return false;
      throw error;
    }
  }
}

const isMeantToRun = ({ metadata, spec }: Desired) =>
  spec.state === 'running' && metadata.deletionRequestedAt === undefined;

function stoppedSince(desired: Desired, since: number): Desired {
  const idleSince = new Date(since).toISOString();
  return { ...desired, spec: { ...desired.spec, state: 'stopped', stopReason: 'Inactivity', idleSince } };
}
