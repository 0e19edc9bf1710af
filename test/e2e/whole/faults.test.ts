import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { Berth, Bucket } from '../../support/berth.js';
import { eventually } from '../../support/swarm.js';

const run = promisify(execFile);

describe('Bad input and faults, on the real thing', function () {
  this.timeout(240_000);
  const berth = new Berth();
  const unique = randomBytes(4).toString('hex');
  const ids = new Set<string>();
  const files: string[] = [];

  after(async () => {
    await Promise.all(files.map((file) => rm(file, { force: true })));
    await berth.removeQuietly(ids);
    berth.close();
  });

  const declareFile = async (id: string, text: string) => {
    const file = path.join(berth.stateDir, 'desired', `${id}.yaml`);
    files.push(file);
    await writeFile(file, text);
  };
  const condition = async (id: string, type: string) =>
    (await berth.view(id)).conditions?.find((item) => item.type === type);

  /** Restarts the controller with another rule for missing buckets. */
  async function createBuckets(value: boolean): Promise<void> {
    const service = `${berth.stack}_controller`;
    await run('docker', [
      'service',
      'update',
      '--quiet',
      '--env-add',
      `BERTH_S3_CREATE_BUCKETS=${value}`,
      service,
    ]);
    const ready = `https://api.${berth.domain}:${berth.port}/readyz`;
    await eventually('controller back', async () => (await berth.request('GET', ready)).status === 200);
  }

  it('lets nobody in without a valid key (R10)', async () => {
    const url = `https://api.${berth.domain}:${berth.port}/api/containers`;
    for (const header of [
      undefined,
      '',
      'Bearer',
      'Bearer nonsense',
      'Basic YTpi',
      'Bearer bkaaaaaaaa_wrong',
    ]) {
      const answer = await berth.request(
        'GET',
        url,
        header === undefined ? {} : { headers: { Authorization: header } },
      );
      expect(answer.status, String(header)).to.equal(401);
    }
  });

  it("does not show the agents' entry, the controller or Traefik itself to the internet", async () => {
    const api = `https://api.${berth.domain}:${berth.port}`;
    expect((await berth.request('PUT', `${api}/agent/report`, { body: '{}' })).status).to.equal(404);
    expect((await berth.request('GET', `${api}/metrics`)).status).to.equal(404);
    expect((await berth.request('GET', `${api}/dashboard/`)).status).to.equal(404);
    const metrics = `https://metrics.${berth.domain}:${berth.port}/metrics`;
    expect((await berth.request('GET', metrics)).status).to.equal(401);
  });

  it('gives Prometheus its series with a key', async () => {
    const key = process.env['BERTH_TEST_KEY'] ?? '';
    const metrics = `https://metrics.${berth.domain}:${berth.port}/metrics`;
    const answer = await berth.request('GET', metrics, { headers: { Authorization: `Bearer ${key}` } });
    expect(answer.status).to.equal(200);
    expect(answer.text).to.match(/^berth_workspaces\{phase="running"\} \d+$/m);
    expect(answer.text).to.match(/^berth_engine_up 1$/m);
  });

  it("ends a start whose bucket does not exist with the S3 error's words, and leaves nothing behind", async () => {
    await createBuckets(false);
    try {
      const answer = await berth.api<{ code: string; detail: string; workspace: { containerId: string } }>(
        'POST',
        '/api/containers/start?wait=90',
        { bucketId: `missing-${unique}`, name: `missing-${unique}`, image: 'berth/testspace' },
      );
      ids.add(`missing-${unique}`);
      expect(answer.status, answer.text).to.equal(503);
      expect(answer.text).to.contain('NoSuchBucket');
      await eventually('stopped', async () => (await berth.view(`missing-${unique}`)).status === 'stopped');
      const view = await berth.view(`missing-${unique}`);
      expect(view.shutdownReason).to.equal('StartFailed');
      expect(view.message).to.contain('NoSuchBucket');
      expect(await berth.leftOvers(`missing-${unique}`)).to.deep.equal([]);
    } finally {
      await createBuckets(true);
    }
  });

  it('goes on with the others when a desired file is broken, and says where', async () => {
    const [broken, fine] = [`broken-${unique}`, `fine-${unique}`];
    ids.add(fine);
    await declareFile(broken, 'apiVersion: berth/v1\nkind: Workspace\n  metadata: [\n');
    await declareFile(
      fine,
      `apiVersion: berth/v1\nkind: Workspace\nmetadata:\n  id: ${fine}\nspec:\n  bucket: ${fine}\n  image: berth/testspace\n`,
    );
    await eventually('the good one runs', async () => (await berth.view(fine)).status === 'running');
    const found = await condition(broken, 'SpecValid');
    expect(found?.status).to.equal('False');
    expect(found?.message).to.match(/^broken-.*\.yaml:\d+: /);
  });

  it('keeps a workspace running when its file is broken by an edit, and ends it in order when the file goes', async () => {
    const fine = `fine-${unique}`;
    const container = await berth.containerOf(fine);
    await declareFile(fine, 'spec: {');
    await eventually('told', async () => (await condition(fine, 'SpecValid'))?.status === 'False');
    expect((await berth.view(fine)).status).to.equal('running');
    expect(await berth.containerOf(fine)).to.equal(container);
    await berth.shell(fine, 'echo kept > /workspace/kept.txt');
    await rm(path.join(berth.stateDir, 'desired', `${fine}.yaml`));
    await eventually('stopped', async () => (await berth.view(fine)).status === 'stopped');
    expect((await berth.view(fine)).shutdownReason).to.equal('OperatorRequest');
    expect(await berth.leftOvers(fine)).to.deep.equal([]);
    const bucket = new Bucket(berth, fine);
    expect(await bucket.get('kept.txt')).to.equal('kept\n');
    bucket.close();
  });

  it('brings a workspace back whose container was killed, each of the three times that Swarm tries, and then stops it as Crashed (R3.4)', async () => {
    const bucket = new Bucket(berth, `crash-${unique}`);
    const { containerId: id, urls } = await berth.start({ bucketId: bucket.name });
    ids.add(id);
    for (let round = 1; round <= 3; round++) {
      const container = await berth.containerOf(id);
      await run('docker', ['kill', container]);
      await eventually('another container runs', () =>
        berth.containerOf(id).then(
          (now) => now !== container,
          () => false,
        ),
      );
      for (const url of Object.values(urls)) {
        await eventually(
          `${url} answers again`,
          async () => (await berth.request('GET', url)).status === 200,
        );
      }
      // Its way out works as well: what it writes reaches the bucket.
      await berth.shell(id, `echo ${round} > /workspace/round.txt`);
      await eventually('synced', async () => (await bucket.get('round.txt')) === `${round}\n`);
    }
    await berth.shell(id, 'echo last > /workspace/round.txt');
    await run('docker', ['kill', await berth.containerOf(id)]);
    await eventually('it is stopped', async () => (await berth.view(id)).status === 'stopped', 120_000);
    expect((await berth.view(id)).shutdownReason).to.equal('Crashed');
    // What only its volume had is rescued, and whoever starts it gets another three.
    await eventually('rescued', async () => (await bucket.get('round.txt')) === 'last\n', 120_000);
    expect((await berth.api('POST', `/api/containers/${id}/start?wait=120`)).status).to.equal(200);
    const view = await berth.remove(id);
    expect(view.shutdownReason).to.equal('UserRequest');
    bucket.close();
  });

  it('rescues what a container that was killed during its stop had not saved', async () => {
    const bucket = new Bucket(berth, `rescue-${unique}`);
    const { containerId: id } = await berth.start({ bucketId: bucket.name });
    ids.add(id);
    await eventually('the bucket', () => bucket.exists());
    await berth.shell(id, 'echo unsaved > /workspace/work.txt');
    const container = await berth.containerOf(id);
    const removal = berth.api('DELETE', `/api/containers/${id}?wait=120`);
    await eventually('stopping', async () => (await berth.view(id)).status === 'stopping');
    // It may have ended by itself this very moment, with its file saved.
    await run('docker', ['kill', container]).catch((error: Error) =>
      expect(error.message).to.match(/is not running|No such container/),
    );
    const { json } = await removal;
    expect(json.status).to.equal('stopped');
    await eventually('rescued', async () => (await bucket.get('work.txt')) === 'unsaved\n');
    await eventually('the volumes gone', async () => (await berth.leftOvers(id)).length === 0);
    const told = await condition(id, 'FinalSyncVerified');
    expect(told).to.include({ status: 'True', reason: 'Saved' });
    bucket.close();
  });

  it('keeps what a stop could not save while the S3 server was away, and saves it later, unless it is not wanted', async () => {
    const kept = new Bucket(berth, `away-${unique}`);
    const unwanted = new Bucket(berth, `unwanted-${unique}`);
    const started = await Promise.all([kept, unwanted].map(({ name }) => berth.start({ bucketId: name })));
    const [one = '', two = ''] = started.map(({ containerId }) => containerId);
    for (const id of [one, two]) ids.add(id);
    await eventually('the bucket', () => kept.exists());
    const scale = (replicas: number) =>
      run('docker', ['service', 'scale', '--detach', `${berth.stack}_s3=${replicas}`]);
    await scale(0);
    try {
      await eventually('no S3 server', async () => !(await kept.exists()));
      for (const id of [one, two]) await berth.shell(id, 'echo unsaved > /workspace/work.txt');
      await Promise.all([
        berth.api('DELETE', `/api/containers/${one}`),
        berth.api('DELETE', `/api/containers/${two}?force=true`),
      ]);
      for (const id of [one, two])
        await eventually(
          `${id} is stopped`,
          async () => (await berth.view(id)).status === 'stopped',
          150_000,
        );
      await eventually(
        'nothing left of what is not wanted',
        async () => (await berth.leftOvers(two)).length === 0,
      );
      expect(await condition(two, 'FinalSyncVerified')).to.include({ status: 'False', reason: 'Discarded' });
      expect(await condition(one, 'FinalSyncVerified')).to.include({ status: 'False' });
      expect((await berth.leftOvers(one)).join()).to.contain('volume');
    } finally {
      await scale(1);
    }
    const saved = async () => (await kept.get('work.txt').catch(() => null)) === 'unsaved\n';
    await eventually('saved', saved, 180_000);
    await eventually('the volumes gone', async () => (await berth.leftOvers(one)).length === 0, 180_000);
    expect(await condition(one, 'FinalSyncVerified')).to.include({ status: 'True', reason: 'Saved' });
    expect(await unwanted.get('work.txt').catch(() => null)).to.not.equal('unsaved\n');
    for (const bucket of [kept, unwanted]) bucket.close();
  }).timeout(600_000);

  it('starts again with its files what was stopped by hand, or lost its service, never two at once', async () => {
    const bucket = new Bucket(berth, `by-hand-${unique}`);
    const { containerId: id, urls } = await berth.start({ bucketId: bucket.name });
    ids.add(id);
    const containers = async () => {
      const filter = [
        '--filter',
        `label=berth.workspace=${id}`,
        '--filter',
        `label=berth.stack=${berth.stack}`,
      ];
      return (await run('docker', ['ps', '--quiet', '--no-trunc', ...filter])).stdout
        .split('\n')
        .filter(Boolean);
    };
    const byHand = {
      stopped: (container: string) => run('docker', ['stop', '--time', '60', container]),
      'without its service': () => run('docker', ['service', 'rm', `${berth.stack}-ws-${id}`]),
    };
    for (const [what, act] of Object.entries(byHand)) {
      const before = await berth.containerOf(id);
      await berth.shell(id, `echo ${JSON.stringify(what)} > /workspace/last.txt`);
      await act(before);
      await eventually(`another container, ${what}`, async () => {
        const now = await containers();
        expect(now, 'containers at once').to.have.length.of.at.most(1);
        return now.length === 1 && now[0] !== before && (await berth.view(id)).status === 'running';
      });
      await eventually(
        `${urls.code} answers again`,
        async () => (await berth.request('GET', urls.code)).status === 200,
      );
      expect((await berth.shell(id, 'cat /workspace/last.txt')).trim()).to.equal(what);
    }
    await berth.remove(id);
    expect(await bucket.get('last.txt')).to.equal('without its service\n');
    bucket.close();
  });

  it('attaches the gateway again when it was replaced: the URLs work again', async () => {
    const { containerId: id, urls } = await berth.start({ bucketId: `gate-${unique}` });
    ids.add(id);
    const { stdout } = await run('docker', [
      'ps',
      '--quiet',
      '--filter',
      `label=com.docker.swarm.service.name=${berth.stack}_gateway`,
    ]);
    await run('docker', ['kill', stdout.trim()]);
    await eventually('the URL answers again', () =>
      berth.request('GET', urls.code).then(
        ({ status }) => status === 200,
        () => false,
      ),
    );
    expect((await berth.view(id)).status).to.equal('running');
  });
});
