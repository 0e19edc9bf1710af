import type { Clock } from '../../shared/clock.js';
import type { SimClock } from './clock.js';
import type { EngineMode } from './engine.js';
import type { Random } from './random.js';

/** What a call goes to; each has its own pace, and its own way to outlive the caller. */
export type Peer = 'engine' | 'disk' | 's3' | 'gateway' | 'host';

/** At which call from now on the controller dies, and whether that call still takes effect. */
export interface Doom {
  calls: number;
  applied: boolean;
}

export interface IncarnationOptions {
  clock: SimClock;
  random: Random;
  engineMode: () => EngineMode;
  /** Told of the call at which it died. */
  onDeath: (call: string) => void;
}

/** What a dead controller waits for. */
const never = () => new Promise<never>(() => undefined);

/**
 * One life of the controller: all that it does goes through here, takes its time, and may be the last
 * thing that it does. After its death nothing reaches it and nothing comes of it, but for a request that
 * was on its way.
 */
export class Incarnation {
  alive = true;
  doom: Doom | null = null;
  /** Ends the controller in order; given by whoever started it. */
  leave: () => Promise<void> = never;

  constructor(private readonly options: IncarnationOptions) {}

  get clock(): Clock {
    const { clock } = this.options;
    return {
      now: () => clock.now(),
      elapsedMs: () => clock.elapsedMs(),
      after: (ms, task) => clock.after(ms, () => this.alive && task()),
    };
  }

  /** The same port as this controller reaches it. */
  reach<T extends object>(port: T, peer: Peer): T {
    return new Proxy(port, {
      get: (target, name) => {
        const value = Reflect.get(target, name) as unknown;
        if (typeof value !== 'function' || name === 'watch') return value;
        const method = value as (...args: unknown[]) => Promise<unknown>;
        return (...args: unknown[]) =>
          this.call(`${peer} ${String(name)}`, peer, () => method.apply(target, args));
      },
    });
  }

  die(call: string): void {
    if (!this.alive) return;
    this.alive = false;
    this.options.onDeath(call);
  }

  private async call(name: string, peer: Peer, act: () => Promise<unknown>): Promise<unknown> {
    if (!this.alive) return never();
    if (this.doom !== null && this.doom.calls-- === 0) {
      if (this.doom.applied) act().catch(() => undefined);
      this.die(name);
      return never();
    }
    await this.wait(this.delayOf(peer));
    if (!this.alive && (peer === 'disk' || this.options.random.chance(0.5))) return never();
    try {
      return await act();
    } finally {
      await this.wait(this.delayOf(peer));
      if (!this.alive) await never();
    }
  }

  private delayOf(peer: Peer): number {
    const { random, engineMode } = this.options;
    if (peer === 'engine' && engineMode() === 'slow') return random.int(100, 2500);
    if (random.chance(peer === 'disk' ? 0.9 : 0.6)) return 0;
    return random.int(1, peer === 'disk' ? 10 : 60);
  }

  private wait(ms: number): Promise<void> | undefined {
    if (ms === 0) return undefined;
    return new Promise((resolve) => this.options.clock.after(ms, resolve));
  }
}
