/** The loop is given free after so much work, so that screens and terminals do not stutter. */
const SLICE_MS = 8;

/** Long work in short slices: `if (slices.over) await slices.rest()` now and then. */
export class Slices {
  private end = performance.now() + SLICE_MS;

  /** Cheap enough to be asked for each of many items. */
  get over(): boolean {
    return performance.now() > this.end;
  }

  /** Lets others have a turn. */
  async rest(): Promise<void> {
    await new Promise<void>((resolve) => setImmediate(resolve));
    this.end = performance.now() + SLICE_MS;
  }
}
