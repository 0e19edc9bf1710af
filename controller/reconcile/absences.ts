import type { Clock } from '../../shared/clock.js';
import type { Desired } from '../../shared/model/desired.js';
import type { RecordStores } from '../../shared/store/records.js';
import { lostDeclaration, type Finding } from '../plan/adopt.js';

/** So long a file has to be gone: editors remove and write anew, and a folder goes file by file. */
const SETTLE_MS = 1000;

/** What it means that a declaration is not there. */
export type Absence =
  { kind: 'removed' } | { kind: 'lost'; declaration: Desired } | { kind: 'unclear'; lookAgainMs: number };

/** Tells declarations that somebody removed from those that were lost. */
export class Absences {
  private readonly since = new Map<string, number>();

  constructor(
    private readonly desired: Pick<RecordStores['desired'], 'isMarked'>,
    private readonly clock: Clock,
  ) {}

  /** It is there. */
  forget(id: string): void {
    this.since.delete(id);
  }

  async judge(id: string, finding: Pick<Finding, 'observed' | 'service'>): Promise<Absence> {
    if (finding.observed === null) {
      const declaration = lostDeclaration({ ...finding, declaration: { kind: 'absent' }, folderLost: false });
      return declaration === null ? { kind: 'removed' } : { kind: 'lost', declaration };
    }
    const now = this.clock.elapsedMs();
    const since = this.since.get(id) ?? now;
    this.since.set(id, since);
    const rest = since + SETTLE_MS - now;
    if (rest > 0) return { kind: 'unclear', lookAgainMs: rest };
    // The folder itself is made anew for all at once.
    return (await this.desired.isMarked())
      ? { kind: 'removed' }
      : { kind: 'unclear', lookAgainMs: SETTLE_MS };
  }
}
