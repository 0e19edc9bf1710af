/** Shortest time from one look at the bucket to the next: with each cycle, by default. */
const MIN_INTERVAL_MS = 10_000;
/** A bucket that takes long to list is listed seldom: at most this part of the time. */
const MAX_SHARE = 0.05;

/** When to bring others' changes: from time to time while it is wanted, and once after it no longer is. */
export class PullSchedule {
  private wanted = false;
  /** The last ones to write are gone, but their last changes may not have been seen. */
  private lastLook = false;
  private notBefore = 0;

  /** @param wanted - what the API answered to the newest report */
  want(wanted: boolean): void {
    if (this.wanted && !wanted) this.lastLook = true;
    this.wanted = wanted;
  }

  /** @param now - ms on any clock that only runs forward */
  isDue(now: number): boolean {
    return (this.wanted || this.lastLook) && now >= this.notBefore;
  }

  /** A pull that could not be done counts as well, but is not the last one. */
  done(startedAt: number, now: number, succeeded: boolean): void {
    this.notBefore = startedAt + Math.max(MIN_INTERVAL_MS, (now - startedAt) / MAX_SHARE);
    if (succeeded) this.lastLook = false;
  }
}
