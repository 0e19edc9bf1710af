import { expect } from 'chai';
import { ChangeHub, waitFor } from '../../../api/services/change-hub.js';
import type { Clock } from '../../../shared/clock.js';

/** Time that moves only when the test says so. */
class ManualClock implements Clock {
  private time = 0;
  private tasks: { at: number; task: () => void }[] = [];
  now = () => new Date(this.time);
  elapsedMs = () => this.time;
  after(ms: number, task: () => void): () => void {
    const entry = { at: this.time + ms, task };
    this.tasks.push(entry);
    return () => (this.tasks = this.tasks.filter((other) => other !== entry));
  }
  advance(ms: number): void {
    this.time += ms;
    const due = this.tasks.filter(({ at }) => at <= this.time);
    this.tasks = this.tasks.filter(({ at }) => at > this.time);
    for (const { task } of due) task();
  }
  get pending(): number {
    return this.tasks.length;
  }
}

class ManualSource {
  watchers: { tell: (id: string) => void; signal: AbortSignal }[] = [];
  failure: Error | null = null;
  watch(tell: (id: string) => void, signal: AbortSignal): void {
    if (this.failure) throw this.failure;
    this.watchers.push({ tell, signal });
  }
  get active() {
    return this.watchers.filter(({ signal }) => !signal.aborted);
  }
}

const settle = () => new Promise((resolve) => setImmediate(resolve));

describe('waiting for a change', () => {
  let clock: ManualClock;
  let source: ManualSource;
  let hub: ChangeHub;
  let ended: AbortController;
  beforeEach(() => {
    clock = new ManualClock();
    source = new ManualSource();
    hub = new ChangeHub(source, clock);
    ended = new AbortController();
  });
  afterEach(() => {
    expect(source.active, 'watchers left').to.have.length(0);
    expect(clock.pending, 'timers left').to.equal(0);
  });

  const wait = <T>(id: string, check: () => Promise<T | null>, seconds = 10) =>
    waitFor(hub, id, check, { seconds, signal: ended.signal, clock });

  it('shares one watcher among all that wait, and needs none afterwards', async () => {
    let done = false;
    const check = async () => (done ? 'there' : null);
    const waiting = [wait('a', check), wait('a', check), wait('b', check)];
    await settle();
    expect(source.active).to.have.length(1);
    done = true;
    source.active[0]?.tell('a');
    expect(await Promise.all(waiting.slice(0, 2))).to.deep.equal(['there', 'there']);
    expect(source.active).to.have.length(1);
    source.active[0]?.tell('b');
    expect(await waiting[2]).to.equal('there');
  });

  it('looks only when its own record changed', async () => {
    let looks = 0;
    const waiting = wait('a', async () => (++looks === 2 ? looks : null));
    await settle();
    source.active[0]?.tell('b');
    await settle();
    expect(looks).to.equal(1);
    source.active[0]?.tell('a');
    expect(await waiting).to.equal(2);
  });

  it('misses no change that comes while it looks', async () => {
    let looks = 0;
    const waiting = wait('a', async () => {
      looks++;
      if (looks === 1) source.active[0]?.tell('a');
      return looks === 2 ? looks : null;
    });
    expect(await waiting).to.equal(2);
  });

  it('looks every 250 ms if nothing is heard, or nothing can be watched', async () => {
    source.failure = new Error('ENOENT');
    let looks = 0;
    const waiting = wait('a', async () => (++looks === 3 ? looks : null));
    await settle();
    clock.advance(249);
    await settle();
    expect(looks).to.equal(1);
    clock.advance(1);
    await settle();
    expect(looks).to.equal(2);
    clock.advance(250);
    expect(await waiting).to.equal(3);
  });

  it('ends when the time is over, after a last look', async () => {
    let looks = 0;
    const waiting = wait('a', async () => (looks++, null), 1);
    await settle();
    clock.advance(1000);
    expect(await waiting).to.equal(null);
    expect(looks).to.equal(2);
  });

  it('ends when it is called off, also beforehand', async () => {
    const waiting = wait('a', async () => null);
    await settle();
    ended.abort();
    expect(await waiting).to.equal(null);
    expect(await wait('a', async () => null)).to.equal(null);
  });

  it('ends when looking fails', async () => {
    const failure = await wait('a', () => Promise.reject(new Error('broken'))).catch(
      (error: Error) => error.message,
    );
    expect(failure).to.equal('broken');
  });
});
