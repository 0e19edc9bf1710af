import { namesOf } from '../../controller/names.js';
import { FakeClock } from '../fakes/clock.js';
import { FakeCluster } from '../fakes/cluster.js';
import { clusterContract } from './cluster-contract.js';

describe('Cluster contract: the fake', () => {
  const clock = new FakeClock();
  const cluster = new FakeCluster({ clock, names: namesOf('contract'), images: ['image'] });

  clusterContract(() => ({
    cluster,
    gateway: cluster,
    image: 'image',
    eventually: async (what, check) => {
      for (let i = 0; i < 100; i++) {
        if (await check()) return;
        await clock.advance(100);
      }
      throw new Error(`never: ${what}`);
    },
    addStranger: async (id) => cluster.addStranger(id),
    untilNodeForgets: () => clock.advance(1000),
    crashAlways: async (id) => {
      for (let attempt = 0; attempt < 4; attempt++) {
        await clock.advance(1500);
        cluster.crash(id);
      }
    },
  }));
});
