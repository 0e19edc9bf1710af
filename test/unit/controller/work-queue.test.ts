import { expect } from 'chai';
import { TerminalError } from '../../../shared/errors.js';
import { WorkQueue, type Result } from '../../../controller/runtime/work-queue.js';
import { FakeClock, settle } from '../../fakes/clock.js';

describe('WorkQueue', () => {
  let clock: FakeClock;
  let errors: number;
  beforeEach(() => {
    clock = new FakeClock();
    errors = 0;
  });

  const queueOf = (work: (key: string) => Promise<Result>, concurrency = 4) =>
    new WorkQueue(work, {
      clock,
      concurrency,
      backoff: { baseMs: 1000, maxMs: 300_000 },
      random: () => 1,
      onError: () => (errors += 1),
    });

  const done: Result = { kind: 'done' };

  it('works once on a key that was added many times while it waited', async () => {
    const worked: string[] = [];
    const queue = queueOf(async (key) => {
      worked.push(key);
      await settle();
      return done;
    }, 1);
    queue.add('first');
    for (let i = 0; i < 5; i++) queue.add('a');
    queue.add('b');
    for (let i = 0; i < 5; i++) await settle();
    expect(worked).to.deep.equal(['first', 'a', 'b']);
  });

  it('looks a day ahead at most, since timers cannot wait for months', async () => {
    let runs = 0;
    const queue = queueOf(async () => {
      runs += 1;
      return done;
    });
    queue.addAfter('a', 1e12);
    await clock.advance(86_400_000 - 1);
    expect(runs).to.equal(0);
    await clock.advance(1);
    expect(runs).to.equal(1);
  });

  it('looks in time after the clock was set, on or back', async () => {
    for (const set of [3_600_000, -3_600_000]) {
      let runs = 0;
      const queue = queueOf(async () => {
        runs += 1;
        return done;
      });
      queue.addAfter('a', 60_000);
      clock.set(set);
      queue.addAfter('a', 1000);
      await clock.advance(1000);
      expect(runs, 'the earlier wish').to.equal(1);
      queue.addAfter('a', 1000);
      clock.set(-set);
      queue.addAfter('a', 60_000);
      await clock.advance(1000);
      expect(runs, 'the first wish').to.equal(2);
    }
  });

  it('never works on one key twice at the same time, and again after what came meanwhile', async () => {
    let active = 0;
    let most = 0;
    let runs = 0;
    const release: (() => void)[] = [];
    const queue = queueOf(async () => {
      active += 1;
      most = Math.max(most, active);
      runs += 1;
      await new Promise<void>((resolve) => release.push(resolve));
      active -= 1;
      return done;
    });
    queue.add('a');
    await settle();
    queue.add('a');
    queue.add('a');
    await settle();
    expect(runs).to.equal(1);
    release.shift()?.();
    await settle();
    expect(runs).to.equal(2);
    release.shift()?.();
    await settle();
    expect([runs, most]).to.deep.equal([2, 1]);
  });

  it('keeps the earliest of several later wishes', async () => {
    const times: number[] = [];
    const start = clock.now().getTime();
    const queue = queueOf(async () => {
      times.push(clock.now().getTime() - start);
      return done;
    });
    queue.addAfter('a', 5000);
    queue.addAfter('a', 1000);
    queue.addAfter('a', 9000);
    await clock.advance(20_000);
    expect(times).to.deep.equal([1000]);
  });

  it('comes back after what the work asked for', async () => {
    let runs = 0;
    const queue = queueOf(async () => {
      runs += 1;
      return runs < 3 ? { kind: 'requeueAfter', ms: 100 } : done;
    });
    queue.add('a');
    await clock.advance(1000);
    expect(runs).to.equal(3);
    expect(clock.pending).to.equal(0);
  });

  it('waits longer after each failure and starts over after a success', async () => {
    const times: number[] = [];
    const start = clock.now().getTime();
    const queue = queueOf(async () => {
      times.push(clock.now().getTime() - start);
      if (times.length <= 3) throw new Error('no');
      return done;
    });
    queue.add('a');
    await clock.advance(60_000);
    expect(times).to.deep.equal([0, 1000, 3000, 7000]);
    expect(errors).to.equal(3);
  });

  it('drops a key after a terminal failure until it is added again', async () => {
    let runs = 0;
    const queue = queueOf(async () => {
      runs += 1;
      throw new TerminalError('never');
    });
    queue.add('a');
    await clock.advance(600_000);
    expect(runs).to.equal(1);
    queue.add('a');
    await settle();
    expect(runs).to.equal(2);
  });

  it('works on no more keys at once than it may', async () => {
    let active = 0;
    let most = 0;
    const queue = queueOf(async () => {
      active += 1;
      most = Math.max(most, active);
      await settle();
      active -= 1;
      return done;
    }, 2);
    for (const key of ['a', 'b', 'c', 'd', 'e']) queue.add(key);
    await queue.stop();
    for (let i = 0; i < 10; i++) await settle();
    expect(most).to.equal(2);
  });

  it('leaves no timer behind when it stops', async () => {
    const queue = queueOf(async () => done);
    queue.addAfter('a', 1000);
    await queue.stop();
    queue.add('b');
    expect(clock.pending).to.equal(0);
  });
});
