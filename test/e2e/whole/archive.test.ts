import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { Berth, Bucket, type View } from '../../support/berth.js';
import { eventually } from '../../support/swarm.js';

const run = promisify(execFile);

describe('A workspace that was stopped long ago (R6.6)', function () {
  this.timeout(300_000);
  const berth = new Berth();
  const bucket = new Bucket(berth, `archive-${randomBytes(4).toString('hex')}`);
  const name = `archive-${randomBytes(3).toString('hex')}`;

  /** What is long is a setting. */
  const archiveAfter = (time: string) =>
    run('docker', [
      'service',
      'update',
      '--quiet',
      '--env-add',
      `BERTH_ARCHIVE_AFTER=${time}`,
      `${berth.stack}_controller`,
    ]);

  after(async () => {
    await archiveAfter('24h');
    await berth.removeQuietly([name]);
    bucket.close();
    berth.close();
  });

  const listed = async (status: string) => {
    const { json } = await berth.api<{ items: View[] }>('GET', `/api/containers?status=${status}`);
    return json.items.some(({ containerId }) => containerId === name);
  };

  it('goes to the archive, where it can be read', async () => {
    await berth.start({ bucketId: bucket.name, name });
    await berth.shell(name, 'echo work > /workspace/note');
    await berth.remove(name);
    expect([await listed('stopped'), await listed('archived')]).to.deep.equal([true, false]);
    await archiveAfter('1s');
    await eventually('archived', () => listed('archived'), 120_000);
    await eventually('not on record any more', async () => !(await listed('all')));
    const view = await berth.view(name);
    expect(view).to.deep.include({ status: 'stopped', shutdownReason: 'UserRequest' });
    expect(view.conditions.find(({ type }) => type === 'FinalSyncVerified')?.reason).to.equal('Saved');
  });

  it('starts again from there, with its id and files', async () => {
    await archiveAfter('24h');
    const { status, text } = await berth.api('POST', `/api/containers/${name}/start?wait=120`);
    expect(status, text).to.equal(200);
    expect(await berth.shell(name, 'cat /workspace/note')).to.equal('work\n');
    expect(await listed('running')).to.equal(true);
  });
});
