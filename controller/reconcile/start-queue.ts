import PQueue from 'p-queue';

interface Turn {
  hasCome: boolean;
  end: () => void;
}

/**
 * Starts under way: only so many at a time, since a server on which all workspaces start at once (after it
 * was restarted, for example) starts none of them. Those that somebody waits for go first.
 */
export class StartQueue {
  private readonly pool: PQueue;
  private readonly turns = new Map<string, Turn>();

  /** @param onTurn - told whose turn has come after it had to wait */
  constructor(
    private readonly atATime: number,
    private readonly onTurn: (id: string) => void = () => undefined,
  ) {
    this.pool = new PQueue({ concurrency: atATime });
  }

  /** Asks for a turn, as often as one likes. @returns whether it has come */
  request(id: string, awaited: boolean): boolean {
    const asked = this.turns.get(id);
    if (asked !== undefined) return asked.hasCome;
    const turn: Turn = { hasCome: this.pool.pending + this.pool.size < this.atATime, end: () => undefined };
    const over = new Promise<void>((resolve) => (turn.end = resolve));
    this.turns.set(id, turn);
    const begin = () => {
      if (!turn.hasCome && this.turns.get(id) === turn) {
        turn.hasCome = true;
        this.onTurn(id);
      }
      return over;
    };
    void this.pool.add(begin, { priority: awaited ? 1 : 0 });
    return turn.hasCome;
  }

  /** It has started, or shall not start, or waits for something else. */
  release(id: string): void {
    this.turns.get(id)?.end();
    this.turns.delete(id);
  }
}
