import { spawn, type ChildProcess } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import bcrypt from 'bcryptjs';
import { openRecords } from '../../../shared/store/records.js';
import { freePorts } from '../../support/ports.js';
import { eventually } from '../../support/swarm.js';
import { desired, observed, report } from '../../unit/api/fixtures.js';

/** The real API and the real controller as processes, with an engine that is not there. */
describe('While the Docker engine is down', function () {
  this.timeout(60_000);
  const secret = 'a'.repeat(32);
  let stateDir: string;
  let base: string;
  let metricsUrl: string;
  let processes: ChildProcess[];
  const output: string[] = [];

  before(async () => {
    stateDir = await mkdtemp(path.join(tmpdir(), 'berth-down-'));
    await mkdir(path.join(stateDir, 'secrets'));
    await mkdir(path.join(stateDir, 'tls'));
    await writeFile(path.join(stateDir, 'secrets/s3.env'), 'AWS_ACCESS_KEY_ID=a\nAWS_SECRET_ACCESS_KEY=b\n');
    await writeFile(path.join(stateDir, 'secrets/agent-token.key'), 'ab'.repeat(32));
    await writeFile(path.join(stateDir, 'tls/ca.crt'), '');
    const [api, metrics, discovery] = await freePorts(3);
    base = `http://127.0.0.1:${api}`;
    metricsUrl = `http://127.0.0.1:${metrics}/metrics`;
    const env = {
      ...process.env,
      BERTH_STATE_DIR: stateDir,
      BERTH_API_PORT: String(api),
      BERTH_METRICS_PORT: String(metrics),
      BERTH_DISCOVERY_PORT: String(discovery),
      BERTH_API_KEYS: `bktest2345:${await bcrypt.hash(secret, 4)}`,
      DOCKER_HOST: `unix://${stateDir}/no-engine.sock`,
    };
    processes = ['api/main.ts', 'controller/main.ts'].map((program) => {
      const child = spawn(process.execPath, ['--import=tsx', program], {
        env,
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      for (const stream of [child.stdout, child.stderr])
        stream.on('data', (data: Buffer) => output.push(String(data)));
      return child;
    });
    await eventually('the API answers', () =>
      fetch(`${base}/healthz`).then(
        ({ ok }) => ok,
        () => false,
      ),
    );
  });

  after(async () => {
    await Promise.all(
      processes.map((child) => new Promise((resolve) => child.once('exit', resolve).kill('SIGTERM'))),
    );
    await rm(stateDir, { recursive: true, force: true });
  });

  const call = (method: string, apiPath: string, body?: object) =>
    fetch(base + apiPath, {
      method,
      headers: { Authorization: `Bearer bktest2345_${secret}`, 'Content-Type': 'application/json' },
      body: body === undefined ? null : JSON.stringify(body),
    });

  it('says so at /readyz, in words', async () => {
    await eventually('told', async () => {
      const response = await fetch(`${base}/readyz`);
      return response.status === 503 && /no-engine\.sock/.test(await response.text());
    });
  });

  it('accepts declarations and answers reads', async () => {
    const posted = await call('POST', '/api/containers/start', { bucketId: 'demo', name: 'waits' });
    expect(posted.status, await posted.clone().text()).to.equal(202);
    const read = (await (await call('GET', '/api/containers/waits')).json()) as { status: string };
    expect(read.status).to.equal('starting');
    const list = (await (await call('GET', '/api/containers')).json()) as { items: unknown[] };
    expect(list.items).to.have.length(1);
  });

  it('shows how far the buckets of what still runs are behind', async () => {
    const records = await openRecords(stateDir);
    await records.observed.write('seen', observed(desired('seen')));
    const { sync } = report();
    const behind = {
      ...report({ sync: { ...sync, pendingBytes: 4096 } }),
      receivedAt: new Date().toISOString(),
    };
    const sample = 'berth_workspace_sync_pending_bytes{workspace="seen"} 4096';
    await eventually('told', async () => {
      await records.reports.write('seen', behind);
      const text = await fetch(metricsUrl).then(
        (response) => response.text(),
        () => '',
      );
      return text.includes(sample);
    });
  });

  it('keeps the controller trying, without giving up', async () => {
    await eventually('tries', async () => output.join('').includes('engine does not answer'));
    for (const child of processes) expect(child.exitCode).to.equal(null);
  });
});
