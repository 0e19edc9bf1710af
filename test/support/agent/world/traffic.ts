interface Passage {
  move: () => void;
  /** The tick before which it does not move. */
  due: number;
}

/**
 * The way between agents and the server. Of all requests and answers that are under way, whoever they
 * belong to, one moves a tick; drawn numbers say which, so that any order can be met again.
 */
export class Traffic {
  /** Up to so many ticks are added to each leg. */
  delay = 0;
  /** Called after each move. */
  moved: () => void = () => undefined;
  private readonly underWay: Passage[] = [];
  private tick = 0;
  private drawn = 0;
  private running = false;

  /** @param turns - natural numbers, used again and again; [0] keeps everything in order */
  constructor(private readonly turns: readonly number[]) {}

  /** Resolves when one leg is done. */
  pass(): Promise<void> {
    return new Promise((resolve) => {
      const due = this.tick + (this.delay === 0 ? 0 : this.draw() % this.delay);
      this.underWay.push({ move: resolve, due });
      if (!this.running) void this.run();
    });
  }

  /** Resolves when nothing is under way, also nothing that nobody waits for any more. */
  async idle(): Promise<void> {
    while (this.running) await nextTick();
  }

  private async run(): Promise<void> {
    this.running = true;
    while (this.underWay.length > 0) {
      await nextTick();
      this.tick += 1;
      const ready = this.underWay.filter(({ due }) => due <= this.tick);
      const next = ready[this.draw() % Math.max(1, ready.length)];
      if (next === undefined) continue;
      this.underWay.splice(this.underWay.indexOf(next), 1);
      next.move();
      this.moved();
    }
    this.running = false;
  }

  private draw(): number {
    return this.turns[this.drawn++ % this.turns.length] ?? 0;
  }
}

const nextTick = () => new Promise<void>((resolve) => setImmediate(resolve));
