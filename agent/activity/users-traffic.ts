import { networkBytes } from './procfs.js';

/** The user's part of the container's traffic, as far as it can be told from the agent's own. */
export class UsersTraffic {
  private ownUnderWay = 0;
  private ownSince = false;

  /** The agent may use the network while it works on this; `used` tells afterwards whether it did. */
  async during<T>(work: Promise<T>, used: (outcome: T) => boolean = () => true): Promise<T> {
    this.ownUnderWay += 1;
    try {
      const outcome = await work;
      this.ownSince ||= used(outcome);
      return outcome;
    } finally {
      this.ownUnderWay -= 1;
    }
  }

  /** @returns bytes so far; null when the agent has used the network since the last call */
  async bytes(): Promise<number | null> {
    const own = this.ownSince || this.ownUnderWay > 0;
    this.ownSince = false;
    return own ? null : networkBytes();
  }
}
