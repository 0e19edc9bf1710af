import { expect } from 'chai';
import type { Cluster, ClusterView } from '../../../controller/ports/cluster.js';
import { ClusterCache } from '../../../controller/runtime/cluster-cache.js';
import { FakeClock, settle } from '../../fakes/clock.js';

const EMPTY: ClusterView = { services: [], tasks: [], leavers: [], networks: [], volumes: [], gateway: null };

describe('ClusterCache', () => {
  let clock: FakeClock;
  let answers: ((view: ClusterView | Error) => void)[];
  let changes: string[][];
  let cache: ClusterCache;

  beforeEach(() => {
    clock = new FakeClock();
    answers = [];
    changes = [];
    const observe = () =>
      new Promise<ClusterView>((resolve, reject) => {
        answers.push((answer) => (answer instanceof Error ? reject(answer) : resolve(answer)));
      });
    cache = new ClusterCache({ observe } as unknown as Cluster, {
      clock,
      idleMs: 2000,
      busyMs: 50,
      onChange: (ids) => changes.push(ids),
      onSweep: () => undefined,
    });
  });

  it('gives everybody who asks during a sweep one and the same next sweep', async () => {
    const first = cache.fresh();
    const [second, third] = [cache.fresh(), cache.fresh()];
    expect(answers).to.have.length(1);
    answers[0]?.(EMPTY);
    await first;
    await settle();
    expect(answers).to.have.length(2);
    const later = { ...EMPTY };
    answers[1]?.(later);
    expect(await second).to.equal(later);
    expect(await third).to.equal(later);
  });

  it('keeps the last good view when a sweep fails, and goes on', async () => {
    cache.fresh().catch(() => undefined);
    answers[0]?.(EMPTY);
    await settle();
    const failed = cache.fresh().then(
      () => 'fine',
      () => 'failed',
    );
    answers[1]?.(new Error('down'));
    expect(await failed).to.equal('failed');
    expect(cache.latest).to.equal(EMPTY);
    const again = cache.fresh();
    answers[2]?.(EMPTY);
    expect(await again).to.equal(EMPTY);
  });

  it('names the workspaces of which something changed', async () => {
    const network = { id: 'n1', name: 'n', workspaceId: 'a', subnet: null };
    for (const view of [EMPTY, { ...EMPTY, networks: [network] }, { ...EMPTY, networks: [network] }, EMPTY]) {
      const look = cache.fresh();
      answers.at(-1)?.(view);
      await look;
    }
    expect(changes).to.deep.equal([['a'], ['a']]);
  });

  it('does not let a storm of hints become a storm of sweeps', async () => {
    for (let i = 0; i < 100; i++) cache.hint();
    await clock.advance(0);
    answers[0]?.(EMPTY);
    await settle();
    for (let i = 0; i < 100; i++) cache.hint();
    await clock.advance(49);
    expect(answers).to.have.length(1);
    await clock.advance(1);
    expect(answers).to.have.length(2);
  });
});
