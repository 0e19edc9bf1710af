import type { Desired } from '../../shared/model/desired.js';
import type { Observed } from '../../shared/model/observed.js';
import type { RecordRead } from '../../shared/store/record-store.js';
import type { ServiceRequest } from '../../controller/ports/cluster.js';
import type { Change } from './engine.js';

/** What always holds. Each question is answered with what is wrong, or with null. */
export interface Invariant {
  name: string;
  /** After every step. */
  always?(): string | null;
  /** A declaration was changed, by whomever. */
  declared?(id: string, before: RecordRead<Desired>, after: RecordRead<Desired>): string | null;
  /** The controller has changed something in the engine. */
  changed?(change: Change): string | null;
  /** A container runs from now on. */
  started?(request: ServiceRequest): string | null;
  /** The controller has written a record. */
  recorded?(id: string, before: Observed | null, after: Observed | null): string | null;
  /** Nothing has happened for long, and nothing is out of order. */
  whenQuiet?(): string | null;
  /** Everything was healed, and there was time enough. */
  atRest?(): string | null;
}
