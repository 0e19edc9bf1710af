import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { Berth, Bucket } from '../../support/berth.js';
import { eventually } from '../../support/swarm.js';

const run = promisify(execFile);
const COUNT = 5;

describe('State that is lost under running workspaces', function () {
  this.timeout(300_000);
  const berth = new Berth();
  const bucket = new Bucket(berth, `lost-${randomBytes(4).toString('hex')}`);
  const ids = Array.from({ length: COUNT }, () => `lost-${randomBytes(3).toString('hex')}`);
  const urls = new Map<string, string>();
  let containers: string[] = [];

  before(async () => {
    const views = await Promise.all(
      ids.map((name) => berth.start({ bucketId: bucket.name, prefix: name, name })),
    );
    for (const view of views) urls.set(view.containerId, view.urls.code);
    containers = await Promise.all(ids.map((id) => berth.containerOf(id)));
    await Promise.all(ids.map((id) => berth.shell(id, 'echo before > /workspace/note')));
  });
  after(async () => {
    await berth.removeQuietly(ids);
    bucket.close();
    berth.close();
  });

  const remove = (...folders: string[]) =>
    Promise.all(
      folders.map((name) =>
        // Its records are written meanwhile.
        rm(path.join(berth.stateDir, name), {
          ...{ recursive: true, force: true },
          ...{ maxRetries: 20, retryDelay: 20 },
        }),
      ),
    );
  /** The API, which begins anew on the new folders, is away for a moment. */
  const look = async (id: string) => {
    const { status, json } = await berth.api('GET', `/api/containers/${id}`);
    return status === 200 ? json : null;
  };
  const allRun = async () => (await Promise.all(ids.map(look))).every((view) => view?.status === 'running');
  const declarations = () =>
    Promise.all(
      ids.map((id) => readFile(path.join(berth.stateDir, 'desired', `${id}.yaml`), 'utf8').catch(() => '')),
    );

  async function checkAdopted(): Promise<void> {
    await eventually('declarations are back', async () =>
      (await declarations()).every((text) => text.includes('kind: Workspace')),
    );
    await eventually('all run, says the API', allRun, 120_000);
    const now = await Promise.all(ids.map((id) => berth.containerOf(id)));
    expect(now, 'none was restarted').to.deep.equal(containers);
    // The gateway asks the API about each request, and that begins anew on the new folders.
    for (const id of ids) {
      const answers = async () => (await berth.request('GET', urls.get(id) ?? '')).status === 200;
      await eventually(`the IDE of ${id} answers`, answers);
    }
  }

  it('declarations, records and reports: all workspaces are adopted, none is restarted', async () => {
    await remove('desired', 'observed', 'reports');
    await checkAdopted();
    const [id = ''] = ids;
    await berth.shell(id, 'echo after > /workspace/note');
    await eventually('it is saved', async () => (await bucket.get(`${id}/note`)) === 'after\n', 120_000);
    const reported = async () => (await look(id))?.sync?.pendingFiles === 0;
    await eventually('reports come again', reported, 120_000);
  });

  it('declarations alone: none is taken for removed', async () => {
    await remove('desired');
    await checkAdopted();
  });

  it('one declaration: that workspace ends, in order', async () => {
    const [last = ''] = ids.splice(-1);
    containers.splice(-1);
    await rm(path.join(berth.stateDir, 'desired', `${last}.yaml`));
    await eventually('its end', async () => (await berth.leftOvers(last)).length === 0, 120_000);
    expect(await bucket.get(`${last}/note`)).to.equal('before\n');
    await checkAdopted();
  });

  it('a second controller refuses to run beside the first', async () => {
    const { stdout } = await run('docker', [
      ...['ps', '--quiet', '--filter', `label=com.docker.swarm.service.name=${berth.stack}_controller`],
    ]);
    const container = stdout.trim();
    const outcome = await run('docker', ['exec', container, 'node', '/app/controller.mjs']).then(
      () => 'it ran',
      (error: { stdout?: string; stderr?: string; code?: number }) =>
        `${error.code ?? ''} ${error.stdout ?? ''}${error.stderr ?? ''}`,
    );
    expect(outcome).to.match(/^1 /).and.to.contain('another controller works on this state folder');
    await checkAdopted();
  });
});
