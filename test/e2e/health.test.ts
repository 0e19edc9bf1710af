import { randomBytes } from 'node:crypto';
import { expect } from 'chai';
import { Berth, Bucket, type View } from '../support/berth.js';
import { eventually } from '../support/swarm.js';

/** Stops what answers as code-server, so that it is there and says nothing. */
const FREEZE = `for p in /proc/[0-9]*; do
  if tr '\\0' ' ' <$p/cmdline 2>/dev/null | grep -q 'testspace.mjs[ ]code'; then kill -STOP \${p#/proc/}; fi
done`;

describe('Health of a running workspace (R8)', function () {
  this.timeout(300_000);
  const berth = new Berth();
  const bucket = new Bucket(berth, `health-${randomBytes(4).toString('hex')}`);
  let id = '';

  before(async () => {
    id = (await berth.start({ bucketId: bucket.name })).containerId;
  });
  after(async () => {
    await berth.removeQuietly([id]);
    bucket.close();
    berth.close();
  });

  const health = async () => (await berth.api<View['health']>('GET', `/api/containers/${id}/health`)).json;
  const events = async () => {
    type Events = { items: { reason: string; message: string }[] };
    return (await berth.api<Events>('GET', `/api/containers/${id}/events`)).json.items;
  };

  it('is checked again and again, and told with its time', async () => {
    await eventually('healthy', async () => (await health()).status === 'healthy');
    const first = await health();
    await eventually('a later check', async () => (await health()).checkedAt !== first.checkedAt);
    await eventually('healthy', async () => (await berth.view(id)).health.status === 'healthy');
  });

  it('is restarted once when code-server does not answer three times, with its files', async () => {
    const container = await berth.containerOf(id);
    await berth.shell(id, `echo work > /workspace/note; ${FREEZE}`);
    await eventually('unhealthy', async () => (await events()).some(({ reason }) => reason === 'Unhealthy'));
    await eventually(
      'running again, in a new container',
      async () => {
        const view = await berth.view(id);
        return view.status === 'running' && (await berth.containerOf(id)) !== container;
      },
      120_000,
    );
    await eventually('healthy', async () => (await health()).status === 'healthy');
    expect(await berth.shell(id, 'cat /workspace/note')).to.equal('work\n');
    expect((await events()).map(({ message }) => message).join()).to.contain(
      'restarted because it is unhealthy',
    );
  });

  it('is left to a person when that did not help for long', async () => {
    const container = await berth.containerOf(id);
    await berth.shell(id, FREEZE);
    await eventually('unhealthy', async () => (await health()).status === 'unhealthy');
    const { checkedAt, services } = await health();
    expect(services.code).to.contain('no answer');
    await eventually('checked on', async () => (await health()).checkedAt !== checkedAt);
    const view = await berth.view(id);
    expect(view.status).to.equal('running');
    expect(view.message).to.contain('a person has to look');
    expect(await berth.containerOf(id)).to.equal(container);
  });
});
