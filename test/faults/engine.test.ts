import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { Berth, Bucket } from '../support/berth.js';
import { EditedFiles, pause, persistently, random } from '../support/edited-files.js';
import { eventually } from '../support/swarm.js';

const run = promisify(execFile);
const ROUNDS = Number(process.env['BERTH_TEST_ENGINE_KILLS'] ?? 3);
/** Time for the engine to come back, Swarm to start all services anew, and a rescue or two. */
const BACK_MS = 240_000;
/** Workspaces under which it is restarted. */
const COUNT = 5;
const MOMENTS = ['starts', 'is edited', 'stops'] as const;

/** Ends the Docker Engine, as a crash of the host would (SIGKILL) or an operator, and brings it back. */
async function endEngine(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
  const pid = Number(await readFile('/var/run/docker.pid', 'utf8'));
  process.kill(pid, signal);
  const gone = async () =>
    readFile(`/proc/${pid}/stat`).then(
      (stat) => / Z /.test(String(stat)),
      () => true,
    );
  await eventually('dockerd is dead', gone);
  await run('manifests/host/engine.sh');
}

describe('the Docker Engine ends', function () {
  this.timeout((ROUNDS + 1) * 2 * BACK_MS);
  const berth = new Berth();
  const bucket = new Bucket(berth, `engine-${randomBytes(4).toString('hex')}`);
  const ids: string[] = [];
  // Not the engine of somebody who works here, nor one that another process watches over.
  before(function () {
    if (process.env['BERTH_TEST_OWN_ENGINE'] !== 'yes') this.skip();
  });
  after(async () => {
    await berth.removeQuietly(ids);
    bucket.close();
    berth.close();
  });

  const view = (id: string) =>
    persistently(async () => {
      const { status, text, json } = await berth.api('GET', `/api/containers/${id}`);
      if (status !== 200) throw new Error(`${status}: ${text}`);
      return json;
    }, 240);

  it(`restarted under ${COUNT} workspaces: all are healthy again, no file is lost`, async () => {
    const all = Array.from({ length: COUNT }, () => `e-${randomBytes(5).toString('hex')}`);
    ids.push(...all);
    const filesOf = new Map(all.map((id) => [id, new EditedFiles(berth, bucket, id)]));
    await Promise.all(
      all.map((id) => berth.start({ bucketId: bucket.name, prefix: id, name: id, image: 'berth/testspace' })),
    );
    const before = await Promise.all(all.map((id) => berth.containerOf(id)));
    await Promise.all([...filesOf].map(([id, files]) => files.edit(id, 'before')));
    await endEngine('SIGTERM');
    for (const [index, id] of all.entries()) {
      await eventually(
        `another container of ${id} runs`,
        () =>
          berth.containerOf(id).then(
            (now) => now !== before[index],
            () => false,
          ),
        BACK_MS,
      );
      const healthy = async () => {
        const { status, health } = await view(id);
        return status === 'running' && health.status === 'healthy';
      };
      await eventually(`${id} is healthy`, healthy, BACK_MS);
    }
    for (const [id, files] of filesOf) {
      await files.expectOnDisk(id);
      await files.edit(id, 'after');
    }
    await Promise.all(all.map((id) => berth.remove(id)));
    for (const files of filesOf.values()) await files.expectInBucket();
  });

  for (let round = 0; round < ROUNDS; round++) {
    const moment = MOMENTS[round % MOMENTS.length];
    it(`killed while a workspace ${moment}: no file is lost, nothing is left over`, async () => {
      const prefix = `round-${round}`;
      const files = new EditedFiles(berth, bucket, prefix);
      const id = `e-${randomBytes(5).toString('hex')}`;
      ids.push(id);
      const body = { bucketId: bucket.name, prefix, name: id, image: 'berth/testspace' };
      const strike = () => pause(random(2_500)).then(() => endEngine('SIGKILL'));

      if (moment === 'starts') {
        await berth.api('POST', '/api/containers/start', body);
        await strike();
        await eventually('it runs', async () => (await view(id)).status === 'running', BACK_MS);
      } else {
        await berth.start(body);
      }
      const struck = moment === 'is edited' ? strike() : Promise.resolve();
      await files.edit(id, String(round));
      await struck;
      await files.expectOnDisk(id);
      await persistently(async () => {
        const { status, text } = await berth.api('DELETE', `/api/containers/${id}`);
        if (status !== 202 && status !== 200) throw new Error(`${status}: ${text}`);
      });
      if (moment === 'stops') await strike();
      await eventually('it is stopped', async () => (await view(id)).status === 'stopped', BACK_MS);
      const nothing = async () => (await berth.leftOvers(id)).length === 0;
      await eventually('nothing of it is left', nothing, BACK_MS);
      await files.expectInBucket();
      const synced = (await view(id)).conditions.find(({ type }) => type === 'FinalSyncVerified');
      expect(synced?.status).to.equal('True');
    });
  }
});
