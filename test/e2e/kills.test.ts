import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import { AssertionError, expect } from 'chai';
import { Berth, Bucket } from '../support/berth.js';
import { eventually } from '../support/swarm.js';

const run = promisify(execFile);
const ROUNDS = Number(process.env['BERTH_TEST_KILL_ROUNDS'] ?? 100);
/** Rounds side by side: each of them kills, so each meets the kills of the others too. */
const LANES = 3;
/** The volume of a container that was killed while it stopped is saved by a rescue, with back-off. */
const SAVED_MS = 180_000;

type Victim = 'agent' | 'controller' | 's3' | 'nobody';
const VICTIMS: Victim[] = ['agent', 'controller', 's3', 'nobody'];

/** A workspace's files, as its user left them: path → SHA-256. */
type Files = Map<string, string>;

const random = (below: number) => Math.floor(Math.random() * below);
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

describe(`${ROUNDS} rounds of start, edit and stop, with something killed in each`, function () {
  this.timeout(ROUNDS * 60_000);
  const berth = new Berth();
  const bucket = new Bucket(berth, `kill-${randomBytes(4).toString('hex')}`);
  const kills = new Map<Victim, number>();
  after(() => {
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

  /** Writes, replaces and removes some files as the user, and notes what was acknowledged. */
  async function edit(id: string, files: Files, round: number): Promise<void> {
    for (let step = 0; step < 4; step++) {
      const name = `d${random(3)}/f${random(8)}`;
      if (files.has(name) && random(4) === 0) {
        await berth.shell(id, `rm /workspace/${name}`);
        files.delete(name);
        continue;
      }
      const text = `${round} ${step} ${'x'.repeat(random(20_000))}\n`;
      const file = `/workspace/${name}`;
      await berth.shell(id, `mkdir -p $(dirname ${file}) && printf '%s' '${text}' > ${file}`);
      files.set(name, sha256(text));
    }
  }

  /** Repeats what a kill broke off; what the tests find wrong stays wrong. */
  async function persistently<T>(work: () => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries++) {
      try {
        return await work();
      } catch (error) {
        if (tries === 30 || error instanceof AssertionError) throw error;
        await pause(1_000);
      }
    }
  }

  async function expectOnDisk(id: string, files: Files): Promise<void> {
    const script = `cd /workspace && find . -type f ! -name '.berth-tmp-*' -printf '%P\\0' | xargs -0 -r sha256sum`;
    const found = await persistently(() => berth.shell(id, script));
    const lines = found.split('\n').filter((line) => line !== '');
    const sums = lines.map((line): [string, string] => [line.slice(66), line.slice(0, 64)]);
    expect(Object.fromEntries(sums)).to.deep.equal(Object.fromEntries(files));
  }

  async function expectInBucket(prefix: string, files: Files): Promise<void> {
    const found = await persistently(() => bucket.keys(`${prefix}/`));
    const keys = found.map((key) => key.slice(prefix.length + 1));
    expect(keys.filter((key) => !key.startsWith('.berth/')).sort()).to.deep.equal([...files.keys()].sort());
    for (const [name, sum] of files) {
      const text = await persistently(() => bucket.get(`${prefix}/${name}`));
      expect(sha256(text ?? ''), name).to.equal(sum);
    }
  }

  async function round(number: number, prefix: string, files: Files): Promise<void> {
    const id = `k-${randomBytes(5).toString('hex')}`;
    const victim = VICTIMS[random(VICTIMS.length)] ?? 'nobody';
    const moment = random(3);
    const strike = () => pause(random(2_500)).then(() => kill(victim, id));
    const started = berth.api('POST', '/api/containers/start?wait=120', {
      ...{ bucketId: bucket.name, prefix, name: id, image: 'berth/testspace' },
    });
    if (moment === 0) await strike();
    const { status, text, json } = await started;
    expect(status, text).to.equal(201);
    await expectOnDisk(id, files);
    const struck = moment === 1 ? strike() : Promise.resolve();
    await persistently(() => edit(id, files, number));
    await struck;
    // Swarm may just be starting another container, in which the user sees the files as they were left.
    await expectOnDisk(id, files);
    const removal = berth.api('DELETE', `/api/containers/${id}?wait=120`);
    if (moment === 2) await strike();
    const removed = await removal;
    expect(removed.status, removed.text).to.equal(200);
    expect(removed.json.status).to.equal('stopped');
    await eventually(`nothing left of ${id}`, async () => (await berth.leftOvers(id)).length === 0, SAVED_MS);
    // Traefik learns of it from the controller, which may just be coming back.
    const unrouted = async () => (await berth.request('GET', json.urls.code)).status === 404;
    await eventually(`${json.urls.code} no longer routed`, unrouted, 30_000);
    await expectInBucket(prefix, files);
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
    const lane = async (_: unknown, index: number) => {
      const files: Files = new Map();
      try {
        while (next < ROUNDS) await round(next++, `lane-${index}`, files);
      } finally {
        next = ROUNDS; // after a failure the other lanes end their round, and no more
      }
    };
    const lanes = await Promise.allSettled(Array.from({ length: LANES }, lane));
    watching = false;
    await watch;
    for (const outcome of lanes) if (outcome.status === 'rejected') throw outcome.reason;
    for (const victim of VICTIMS.filter((one) => one !== 'nobody'))
      expect(kills.get(victim), `${victim} was really killed`).to.be.greaterThan(0);
    expect(doubles, 'two containers of one workspace').to.equal(0);
    const ready = `https://api.${berth.domain}:${berth.port}/readyz`;
    await eventually(
      'the controller is back',
      async () => (await berth.request('GET', ready)).status === 200,
    );
  });
});
