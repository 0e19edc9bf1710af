import { overlap } from '../../shared/model/bucket-layout.js';
import { writerAt } from '../plan/rival.js';
import type { Rival } from '../plan/types.js';
import type { ClusterView, Target } from '../ports/cluster.js';

/**
 * Which place each workspace is about to write to. Two that start at the same moment do not see each
 * other in the cluster yet, so the first one to ask is noted here.
 */
export class Places {
  private readonly starting = new Map<string, Target>();

  /** @returns the other workspace that has the place, or null when it is this one's now */
  claim(
    id: string,
    target: Target,
    view: Pick<ClusterView, 'services' | 'leavers'>,
  ): Omit<Rival, 'conditions'> | null {
    this.starting.delete(id);
    const writer = writerAt(target, id, view);
    if (writer !== null) return writer;
    for (const [other, taken] of this.starting)
      if (overlap(taken, target)) return { id: other, ending: false, starting: true };
    this.starting.set(id, target);
    return null;
  }

  /** It is there for all to see, or starts no longer. */
  release(id: string): void {
    this.starting.delete(id);
  }
}
