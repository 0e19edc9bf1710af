import { randomBytes } from 'node:crypto';
import { expect } from 'chai';
import { Berth, Bucket } from '../support/berth.js';
import { eventually } from '../support/swarm.js';

const MIB = 1024 ** 2;
const LIMIT = 256 * MIB;

/** Keeps more than the limit until it is killed. */
const HOG = `head -c ${2 * LIMIT} /dev/zero | tail -c +1 | sort > /dev/null; perl -e '$x = "x" x ${2 * LIMIT}; sleep 60'`;

/** Shared memory outlives whoever filled it: the kernel has to kill everything, the agent too. */
const FLOOD = `perl -e '$id = shmget(0, ${2 * LIMIT}, 0600 | 01000); shmwrite($id, "x" x ${MIB}, $_ * ${MIB}, ${MIB}) for 0 .. ${(2 * LIMIT) / MIB - 1}'`;

describe('A workspace that uses up its memory (R7.2, R7.6)', function () {
  this.timeout(300_000);
  const berth = new Berth();
  const bucket = new Bucket(berth, `oom-${randomBytes(4).toString('hex')}`);
  let id = '';
  let neighbour = '';

  before(async () => {
    const small = { bucketId: bucket.name, resources: { memoryBytes: LIMIT } };
    const views = await Promise.all([
      berth.start({ ...small, prefix: 'greedy' }),
      berth.start({ ...small, prefix: 'neighbour' }),
    ]);
    [id, neighbour] = views.map(({ containerId }) => containerId) as [string, string];
  });
  after(async () => {
    await berth.removeQuietly([id, neighbour]);
    bucket.close();
    berth.close();
  });

  it('loses the greedy process only: the agent goes on to save files, and its view says what happened', async () => {
    const container = await berth.containerOf(id);
    const outcome = await berth.shell(id, HOG).then(
      () => 'went through',
      () => 'killed',
    );
    expect(outcome).to.equal('killed');
    await berth.shell(id, 'echo after > /workspace/note');
    const told = async () =>
      (await berth.view(id)).conditions.some(
        ({ type, reason }) => type === 'WithinMemory' && reason === 'OutOfMemory',
      );
    await eventually('the condition', told);
    await eventually('the file in the bucket', async () => (await bucket.get('greedy/note')) === 'after\n');
    expect(await berth.containerOf(id)).to.equal(container);
    expect((await berth.view(id)).status).to.equal('running');
  });

  it('is stopped as OutOfMemory when all of it is killed again and again', async () => {
    const stopped = async () => {
      if ((await berth.view(id)).status === 'stopped') return true;
      await berth.shell(id, FLOOD).catch(() => undefined);
      return false;
    };
    await eventually('stopped', stopped, 180_000);
    const { shutdownReason, message } = await berth.view(id);
    expect(shutdownReason).to.equal('OutOfMemory');
    expect(message).to.contain('It ran out of its 256 MiB of memory again and again, and was killed');
    // What the killed container had not saved is rescued.
    await eventually('nothing left', async () => (await berth.leftOvers(id)).length === 0, 120_000);
    expect(await bucket.get('greedy/note')).to.equal('after\n');
  });

  it('leaves its neighbour alone', async () => {
    const view = await berth.view(neighbour);
    expect(view.status).to.equal('running');
    expect(view.conditions.find(({ type }) => type === 'WithinMemory')).to.equal(undefined);
    expect((await berth.request('GET', view.urls.code)).status).to.equal(200);
  });
});
