import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { Berth, Bucket } from '../support/berth.js';
import { EditedFiles, pause, random } from '../support/edited-files.js';
import { eventually } from '../support/swarm.js';

const run = promisify(execFile);
const ROUNDS = Number(process.env['BERTH_TEST_KILL_ROUNDS'] ?? 100);
/** Rounds side by side: each of them kills, so each meets the kills of the others too. */
const LANES = 4;
/** The volume of a container that was killed while it stopped is saved by a rescue, with back-off. */
const SAVED_MS = 180_000;

type Victim = 'agent' | 'controller' | 's3' | 'nobody';
const VICTIMS: Victim[] = ['agent', 'controller', 's3', 'nobody'];

describe(`${ROUNDS} rounds of start, edit and stop, with something killed in each`, function () {
  this.timeout(ROUNDS * 60_000);
  const berth = new Berth();
  const bucket = new Bucket(berth, `kill-${randomBytes(4).toString('hex')}`);
  const kills = new Map<Victim, number>();
  const ids: string[] = [];
  after(async () => {
    await berth.removeQuietly(ids);
    bucket.close();
    berth.close();
  });

  /** Kills a container the way a host that runs out of memory would. */
  async function kill(victim: Victim, id: string): Promise<void> {
    if (victim === 'nobody') return;
    const label =
      victim === 'agent'
        ? ['--filter', `label=berth.stack=${berth.stack}`, '--filter', `label=berth.workspace=${id}`]
        : ['--filter', `label=com.docker.swarm.service.name=${berth.stack}_${victim}`];
    const { stdout } = await run('docker', ['ps', '--quiet', ...label]);
    const [container] = stdout.trim().split('\n');
    // It may not be there yet, or not any more: dead already, which is as good.
    if (!container) return;
    await run('docker', ['kill', '--signal', 'KILL', container]).then(
      () => kills.set(victim, (kills.get(victim) ?? 0) + 1),
      () => undefined,
    );
  }

  async function round(number: number, prefix: string, files: EditedFiles): Promise<void> {
    const id = `k-${randomBytes(5).toString('hex')}`;
    ids.push(id);
    const victim = VICTIMS[random(VICTIMS.length)] ?? 'nobody';
    const moment = random(3);
    const strike = () => pause(random(2_500)).then(() => kill(victim, id));
    const started = berth.api('POST', '/api/containers/start?wait=120', {
      ...{ bucketId: bucket.name, prefix, name: id, image: 'berth/testspace' },
    });
    if (moment === 0) await strike();
    const { status, text, json } = await started;
    expect(status, text).to.equal(201);
    await files.expectOnDisk(id);
    const struck = moment === 1 ? strike() : Promise.resolve();
    await files.edit(id, String(number));
    await struck;
    // Swarm may just be starting another container, in which the user sees the files as they were left.
    await files.expectOnDisk(id);
    const removal = berth.api('DELETE', `/api/containers/${id}?wait=120`);
    if (moment === 2) await strike();
    const removed = await removal;
    expect(removed.status, removed.text).to.equal(200);
    expect(removed.json.status).to.equal('stopped');
    await eventually(`nothing left of ${id}`, async () => (await berth.leftOvers(id)).length === 0, SAVED_MS);
    // Traefik learns of it from the controller, which may just be coming back.
    const unrouted = async () => (await berth.request('GET', json.urls.code)).status === 404;
    await eventually(`${json.urls.code} no longer routed`, unrouted, SAVED_MS);
    await files.expectInBucket();
  }

  it('loses no file, changes none, leaves nothing over, makes nothing twice', async () => {
    let next = 0;
    let doubles = 0;
    let watching = true;
    const watch = (async () => {
      while (watching) {
        const format = ['--format', '{{.Labels}}', '--filter', `label=berth.stack=${berth.stack}`];
        const { stdout } = await run('docker', ['ps', ...format]);
        const ids = stdout.match(/berth\.workspace=[a-z0-9-]+/g) ?? [];
        if (new Set(ids).size !== ids.length) doubles += 1;
        await pause(200);
      }
    })();
    let returned = 0;
    const lane = async (_: unknown, index: number) => {
      const prefix = `lane-${index}`;
      const files = new EditedFiles(berth, bucket, prefix);
      try {
        while (next < ROUNDS) await round(next++, prefix, files);
      } finally {
        returned += files.returned;
        next = ROUNDS; // after a failure the other lanes end their round, and no more
      }
    };
    const lanes = await Promise.allSettled(Array.from({ length: LANES }, lane));
    watching = false;
    await watch;
    for (const outcome of lanes) if (outcome.status === 'rejected') throw outcome.reason;
    for (const victim of VICTIMS.filter((one) => one !== 'nobody'))
      expect(kills.get(victim), `${victim} was really killed`).to.be.greaterThan(0);
    // It takes a kill within a second or two of a change and its deletion.
    expect(returned, 'deleted files that came back').to.be.at.most(ROUNDS / 20);
    expect(doubles, 'two containers of one workspace').to.equal(0);
    const ready = `https://api.${berth.domain}:${berth.port}/readyz`;
    await eventually(
      'the controller is back',
      async () => (await berth.request('GET', ready)).status === 200,
    );
  });
});
