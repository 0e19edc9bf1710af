import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { Berth, Bucket } from '../support/berth.js';
import { eventually } from '../support/swarm.js';

const run = promisify(execFile);
const CYCLES = Number(process.env['BERTH_TEST_KILL_CYCLES'] ?? 50);
/** Cycles side by side: each of them kills, so each meets the kills of the others too. */
const LANES = 3;

describe(`A controller that is killed in each of ${CYCLES} start/delete cycles`, function () {
  this.timeout(30 * 60_000);
  const berth = new Berth();
  const bucket = new Bucket(berth, `kill-${randomBytes(4).toString('hex')}`);
  let kills = 0;
  after(() => {
    bucket.close();
    berth.close();
  });

  /** Kills the controller's container, the way a host that runs out of memory would. */
  async function killController(): Promise<void> {
    const filter = ['--filter', `label=com.docker.swarm.service.name=${berth.stack}_controller`];
    const { stdout } = await run('docker', ['ps', '--quiet', ...filter]);
    const [container] = stdout.trim().split('\n');
    // Another lane's kill may have been first; then it is dead already, which is as good.
    if (container)
      await run('docker', ['kill', '--signal', 'KILL', container]).then(
        () => (kills += 1),
        () => undefined,
      );
  }

  const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

  async function cycle(number: number): Promise<void> {
    const text = `cycle ${number}\n`;
    const start = berth.api('POST', '/api/containers/start?wait=120', {
      bucketId: bucket.name,
      prefix: `cycle-${number}`,
      image: 'berth/testspace',
    });
    const killDuringStart = Math.random() < 0.5;
    if (killDuringStart) await pause(Math.random() * 2500).then(killController);
    const { status, json, text: answer } = await start;
    expect(status, answer).to.equal(201);
    const id = json.containerId;
    await berth.shell(id, `printf '${text.trim()}\\n' > /workspace/file.txt`);
    const removal = berth.api('DELETE', `/api/containers/${id}?wait=120`);
    if (!killDuringStart) await pause(Math.random() * 2500).then(killController);
    const removed = await removal;
    expect(removed.status, removed.text).to.equal(200);
    expect(removed.json.status).to.equal('stopped');
    expect(await berth.leftOvers(id), `left over of ${id}`).to.deep.equal([]);
    // Traefik learns of it from the controller, which may just be coming back.
    const unrouted = async () => (await berth.request('GET', json.urls.code)).status === 404;
    await eventually(`${json.urls.code} no longer routed`, unrouted, 30_000);
    expect(await bucket.get(`cycle-${number}/file.txt`)).to.equal(text);
  }

  it('converges each time, leaves nothing over, makes nothing twice, loses no file', async () => {
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
    const lane = async () => {
      while (next < CYCLES) await cycle(next++);
    };
    try {
      await Promise.all(Array.from({ length: LANES }, lane));
    } finally {
      watching = false;
      await watch;
    }
    expect(kills, 'the controller was really killed').to.be.greaterThan(CYCLES / 2);
    expect(doubles, 'two containers of one workspace').to.equal(0);
    await eventually(
      'the controller is back',
      async () =>
        (await berth.request('GET', `https://api.${berth.domain}:${berth.port}/readyz`)).status === 200,
    );
  });
});
