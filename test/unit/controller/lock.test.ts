import { mkdtemp, readdir, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { self } from '../../../controller/adapters/docker/lock-owners.js';
import { ControllerLock, lockSchema, type Lock } from '../../../controller/runtime/lock.js';
import { jsonCodec } from '../../../shared/store/codec.js';
import { RecordFile } from '../../../shared/store/record-file.js';
import { FakeClock } from '../../fakes/clock.js';
import { eventually } from '../../support/swarm.js';

describe('Lock of the controller', () => {
  let folder: string;
  let clock: FakeClock;
  /** Hosts on which a controller runs; undefined: nobody can say. */
  let alive: Map<string, boolean | 'unknown'>;
  let lost: [string, string][];
  /** What happens while a controller finds out whether the owner lives; once. */
  let meanwhile: () => Promise<void>;
  beforeEach(async () => {
    folder = await mkdtemp(path.join(os.tmpdir(), 'berth-lock-'));
    clock = new FakeClock();
    alive = new Map();
    lost = [];
    meanwhile = () => Promise.resolve();
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  const fileOf = () => new RecordFile<Lock>(path.join(folder, 'controller.lock'), jsonCodec, lockSchema);
  function controller(host: string): ControllerLock {
    if (!alive.has(host)) alive.set(host, true);
    return new ControllerLock({
      file: fileOf(),
      self: { id: `life-of-${host}`, host, pid: 7, container: true },
      owners: {
        isAlive: async (owner) => {
          const happens = meanwhile;
          meanwhile = () => Promise.resolve();
          const verdict = alive.get(owner.host) ?? false;
          await happens();
          return verdict;
        },
      },
      clock,
      onLost: (held) => lost.push([host, held.host]),
      onError: (error) => {
        throw error;
      },
    });
  }
  const refusal = (lock: ControllerLock) =>
    lock.acquire().then(
      () => null,
      (error: Error) => error.message,
    );
  const renewedAt = async () => (await fileOf().read())?.renewedAt;

  it('lets one controller run, and tells the second one who that is and what to do', async () => {
    await controller('one').acquire();
    const message = await refusal(controller('two'));
    expect(message).to.contain('one, process 7, since 2026-01-01T00:00:00.000Z');
    expect(message).to.contain('controller.lock');
    expect((await fileOf().read())?.host).to.equal('one');
  });

  it('goes at once to the next one when it was given back, or when its owner is dead', async () => {
    const one = controller('one');
    await one.acquire();
    await one.release();
    expect(await readdir(folder)).to.deep.equal([]);
    await controller('two').acquire();
    alive.set('two', false);
    await controller('three').acquire();
    expect((await fileOf().read())?.host).to.equal('three');
  });

  it('is renewed; where nobody can say whether its owner lives, it holds until its lease is over', async () => {
    await controller('one').acquire();
    const first = await renewedAt();
    await clock.advance(5_000);
    await eventually('renewed', async () => (await renewedAt()) !== first);
    const other = new FakeClock(new Date(clock.now().getTime() + 14_000).toISOString());
    alive.set('one', 'unknown');
    clock = other;
    expect(await refusal(controller('two'))).to.be.a('string');
    await other.advance(2_000);
    expect(await refusal(controller('three'))).to.equal(null);
  });

  it('goes to one of two that found its owner dead at the same time', async () => {
    await controller('dead').acquire();
    alive.set('dead', false);
    meanwhile = () => controller('one').acquire();
    expect(await refusal(controller('two'))).to.contain('one, process 7');
    expect((await fileOf().read())?.host).to.equal('one');
    expect(await readdir(folder), 'nothing is left over').to.deep.equal(['controller.lock']);
  });

  it('stays with an owner that was taken for dead and went on', async () => {
    const slow = clock;
    await controller('one').acquire();
    alive.set('one', false);
    const first = await renewedAt();
    meanwhile = async () => {
      await slow.advance(5_000);
      await eventually('renewed', async () => (await renewedAt()) !== first);
    };
    expect(await refusal(controller('two'))).to.contain('one, process 7');
    expect((await fileOf().read())?.host).to.equal('one');
  });

  it('is lost by who was frozen for too long: it has to stop', async () => {
    const frozen = clock;
    await controller('one').acquire();
    clock = new FakeClock('2026-01-01T00:01:00.000Z');
    alive.set('one', 'unknown');
    await controller('two').acquire();
    await frozen.advance(60_000);
    await eventually('told', async () => lost.length > 0);
    expect(lost).to.deep.equal([['one', 'two']]);
    expect((await fileOf().read())?.host).to.equal('two');
  });

  it('names this process', () => {
    expect(self()).to.deep.include({ host: os.hostname(), pid: process.pid });
  });
});
