import type { Clock } from '../../shared/clock.js';
import { ID_PATTERN } from '../../shared/model/ids.js';
import type { FactsReader } from '../services/facts.js';
import { viewOf, type ViewSettings } from '../services/view.js';
import { lifeOf, type Premises } from './visitor.js';

/** A page of VS Code is hundreds of requests; what is on record is read for the first of them. */
const FRESH_MS = 1000;
/** Beyond this many workspaces the memory starts anew. */
const MAX_REMEMBERED = 1000;

/** What is on record about the workspaces that somebody wants to open, a second old at most. */
export class PremisesReader {
  private readonly known = new Map<string, { at: number; premises: Promise<Premises | null> }>();

  constructor(
    private readonly facts: Pick<FactsReader, 'read'>,
    private readonly settings: ViewSettings,
    private readonly clock: Clock,
  ) {}

  /** @returns null when there is no such workspace */
  of(id: string): Promise<Premises | null> {
    const now = this.clock.elapsedMs();
    const known = this.known.get(id);
    if (known !== undefined && now - known.at < FRESH_MS) return known.premises;
    if (this.known.size >= MAX_REMEMBERED) this.known.clear();
    const premises = this.read(id);
    this.known.set(id, { at: now, premises });
    premises.catch(() => this.known.delete(id));
    return premises;
  }

  /** The same, as it is on record now. */
  async read(id: string): Promise<Premises | null> {
    if (!ID_PATTERN.test(id)) return null;
    const facts = await this.facts.read(id);
    const view = viewOf(facts, this.settings);
    if (view === null) return null;
    const { desired, observed } = facts;
    const declared = desired.kind === 'valid' ? desired.value : (observed?.declared ?? null);
    const ends = [
      declared?.metadata.accessRevokedAt,
      observed?.accessRevokedAt,
      observed?.lastStoppedAt,
    ].flatMap((at) => at ?? []);
    return {
      isOpen: view.status !== 'stopped',
      life: lifeOf(facts),
      labels: view.labels,
      isWebPublic: declared?.spec.web?.public === true,
      closedAt: Math.max(...ends.map((at) => Date.parse(at)), -Infinity),
    };
  }
}
