import { randomBytes } from 'node:crypto';
import { expect } from 'chai';
import { Berth, Bucket, type View } from '../support/berth.js';
import { eventually } from '../support/swarm.js';

/** Long enough to do something in it, also on a slow machine. */
const IDLE_MS = 48_000;

describe('A workspace in which nobody works (R5)', function () {
  this.timeout(400_000);
  const berth = new Berth();
  const bucket = new Bucket(berth, `idle-${randomBytes(4).toString('hex')}`);
  let id = '';

  before(async () => {
    const view = await berth.start({ bucketId: bucket.name, idle: `${IDLE_MS / 1000}s` });
    id = view.containerId;
    expect(Date.parse(view.idleDeadline ?? '')).to.equal(Date.parse(view.startedAt ?? '') + IDLE_MS);
  });
  after(async () => {
    await berth.removeQuietly([id]);
    bucket.close();
    berth.close();
  });

  const deadline = async () => Date.parse((await berth.view(id)).idleDeadline ?? '');
  const activeOf = (view: View) => view.conditions.find(({ type }) => type === 'Active');

  it('is warned in its terminals and in its view', async () => {
    // A terminal as an IDE opens them; what it shows goes to a file outside the workspace's folder.
    await berth.shell(id, '(script -qfc "sleep 300" /tmp/terminal </dev/null >/dev/null 2>&1 &)');
    const warned = async () =>
      (await berth.shell(id, 'cat /tmp/terminal 2>/dev/null; true')).includes('Nobody works here');
    await eventually('the warning in the terminal', warned);
    await eventually('the condition', async () => activeOf(await berth.view(id))?.reason === 'IdleSoon');
    expect((await berth.view(id)).message).to.contain('it is stopped at');
  });

  it('goes on when a file changes', async () => {
    const before = await deadline();
    await berth.shell(id, 'echo work > /workspace/note');
    await eventually('a later end', async () => (await deadline()) > before);
    const view = await berth.view(id);
    expect(view.status).to.equal('running');
    expect(view.activity.map(({ signal }) => signal)).to.deep.equal(['files']);
    await eventually('no warning any more', async () => activeOf(await berth.view(id))?.status === 'True');
  });

  it('is stopped for inactivity when its time is over, extended once, with its files saved', async () => {
    const { status, json } = await berth.api('POST', `/api/containers/${id}/extend`, { for: '70s' });
    expect(status).to.equal(200);
    const granted = Date.parse(json.idleDeadline ?? '');
    expect(granted).to.be.greaterThan(Date.now() + IDLE_MS);
    await eventually('stopped', async () => (await berth.view(id)).status === 'stopped', 200_000);
    const view = await berth.view(id);
    expect(view.shutdownReason).to.equal('Inactivity');
    expect(Date.parse(view.stoppedAt ?? '')).to.be.at.least(granted);
    expect(await bucket.get('note')).to.equal('work\n');
    type Events = { items: { reason: string }[] };
    const events = (await berth.api<Events>('GET', `/api/containers/${id}/events`)).json.items;
    const reasons = events.map(({ reason }) => reason);
    expect(reasons).to.include.members(['Running', 'IdleSoon', 'InUse', 'Saved']);
    expect(reasons.at(-1)).to.equal('Stopped');
    await eventually('nothing left', async () => (await berth.leftOvers(id)).length === 0);
  });

  it('starts again with the same id, URLs and files', async () => {
    const before = await berth.view(id);
    const { status, json, text } = await berth.api('POST', `/api/containers/${id}/start?wait=120`);
    expect(status, text).to.equal(200);
    expect(json).to.deep.include({ containerId: id, status: 'running', urls: before.urls });
    expect(await berth.shell(id, 'cat /workspace/note')).to.equal('work\n');
    expect((await berth.request('GET', json.urls.code)).status).to.equal(200);
  });

  it('is stopped at its greatest age, whatever happens in it', async () => {
    const { containerId } = await berth.start({
      bucketId: bucket.name,
      prefix: 'old',
      maxAge: '20s',
      idle: 'off',
    });
    try {
      await berth.shell(containerId, '(for i in $(seq 60); do date > /workspace/busy; sleep 1; done &)');
      await eventually('stopped', async () => (await berth.view(containerId)).status === 'stopped', 90_000);
      expect((await berth.view(containerId)).shutdownReason).to.equal('MaxAge');
    } finally {
      await berth.removeQuietly([containerId]);
    }
  });
});
