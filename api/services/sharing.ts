import type { Clock } from '../../shared/clock.js';
import { overlap } from '../../shared/model/bucket-layout.js';
import type { Desired } from '../../shared/model/desired.js';
import type { FactsReader } from './facts.js';
import type { WorkspaceView } from '../../shared/model/view.js';
import { viewOf, type ViewSettings } from './view.js';

/** Reports come by the second, workspaces by the minute: who shares what is looked up this seldom. */
const KEPT_MS = 5_000;
/** What the last sync of an ended workspace wrote is still to be brought by the others. */
const LINGER_MS = 120_000;
/** Records read at a time. */
const BATCH = 32;

/** A workspace that writes to its bucket, or may. */
interface Writer {
  id: string;
  bucket: string;
  prefix: string;
  pull: Desired['spec']['pull'];
}

/** Knows which workspaces write to the same place. */
export class Sharing {
  private writers: Promise<Writer[]> = Promise.resolve([]);
  private readAtMs = -Infinity;

  constructor(
    private readonly facts: FactsReader,
    private readonly settings: ViewSettings,
    private readonly clock: Clock,
  ) {}

  /** Whether a workspace shall bring what others change in its bucket while it runs. */
  async wantsPull(id: string): Promise<boolean> {
    const now = this.clock.elapsedMs();
    if (now - this.readAtMs >= KEPT_MS) {
      this.readAtMs = now;
      this.writers = this.read();
    }
    return wantsPull(await this.writers, id);
  }

  private async read(): Promise<Writer[]> {
    const ids = await this.facts.ids();
    const writers: Writer[] = [];
    for (let start = 0; start < ids.length; start += BATCH) {
      const found = await Promise.all(ids.slice(start, start + BATCH).map((id) => this.writerOf(id)));
      writers.push(...found.filter((writer) => writer !== null));
    }
    return writers;
  }

  private isLongGone({ status, stoppedAt }: WorkspaceView): boolean {
    if (status !== 'stopped') return false;
    return stoppedAt === null || this.clock.now().getTime() - Date.parse(stoppedAt) > LINGER_MS;
  }

  private async writerOf(id: string): Promise<Writer | null> {
    try {
      const facts = await this.facts.read(id);
      const view = viewOf(facts, this.settings);
      if (view === null || view.bucketId === null || this.isLongGone(view)) return null;
      const declared = facts.desired.kind === 'valid' ? facts.desired.value : facts.observed?.declared;
      const pull = declared?.spec.pull ?? 'auto';
      return { id, bucket: view.bucketId, prefix: view.prefix ?? '', pull };
    } catch (error) {
      this.facts.complainOf(id, error);
      return null;
    }
  }
}

export function wantsPull(writers: readonly Writer[], id: string): boolean {
  const own = writers.find((writer) => writer.id === id);
  if (own === undefined || own.pull === 'never') return false;
  return own.pull === 'always' || writers.some((other) => other.id !== id && overlap(own, other));
}
