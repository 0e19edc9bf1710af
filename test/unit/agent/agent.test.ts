import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { expect } from 'chai';
import { Agent } from '../../../agent/agent.js';
import { homeOf, readConfig } from '../../../agent/config.js';
import { rescue } from '../../../agent/rescue.js';
import { SyncEngine } from '../../../agent/sync/engine.js';
import { HomeKeeper } from '../../../agent/sync/home.js';
import { silentLogger } from '../../../shared/logger.js';
import { S3Error } from '../../../shared/s3/s3-error.js';
import { FakeS3 } from '../../fakes/s3.js';

/** No moment decides: what should not happen has this long to happen. */
const A_WHILE_MS = 300;

describe('agent: its run', () => {
  let base: string;
  let api: Server;
  beforeEach(async () => {
    base = mkdtempSync(path.join(tmpdir(), 'berth-agent-'));
    api = createServer((request, answer) => {
      request.resume().on('end', () => answer.writeHead(204).end());
    }).listen(0, '127.0.0.1');
    await once(api, 'listening');
  });
  afterEach(() => {
    api.closeAllConnections();
    api.close();
    rmSync(base, { recursive: true, force: true });
  });

  it('told to stop while it restores, begins its last sync when the restore has ended, not while its answers come in', async () => {
    const s3 = new FakeS3();
    s3.seed('late', 'content');
    let arrive: () => void = () => undefined;
    const arrived = new Promise<void>((resolve) => (arrive = resolve));
    const held = new Promise<void>((resolve) => {
      s3.passing = async ({ method, key }, leg) => {
        if (method !== 'get' || key !== 'late' || leg !== 'answer') return;
        resolve();
        await arrived;
      };
    });
    const { agent, ended } = await agentOn(s3);
    writeFileSync(path.join(base, 'ws/mine'), 'of an earlier run');
    agent.begin();
    await held;
    const before = s3.calls.length;
    agent.term();
    await pause(A_WHILE_MS);
    expect(s3.calls.slice(before)).to.deep.equal([]);
    arrive();
    expect(await ended).to.equal(0);
    expect([s3.text('late'), s3.text('mine')]).to.deep.equal(['content', 'of an earlier run']);
  });

  it('that is a rescue sends what is there even if the bucket cannot be brought to the disk', async () => {
    const s3 = new FakeS3();
    s3.seed('other', 'not to be read');
    s3.fault = ({ method }) =>
      method === 'get' ? new S3Error('bucket', 'AccessDenied', 'write only', 403) : null;
    const { parts } = await agentOn(s3);
    writeFileSync(path.join(base, 'ws/mine'), 'of an earlier run');
    expect(await rescue(parts)).to.equal(0);
    expect([s3.text('other'), s3.text('mine')]).to.deep.equal(['not to be read', 'of an earlier run']);
  });

  async function agentOn(s3: FakeS3) {
    const { port } = api.address() as AddressInfo;
    const config = readConfig({
      BERTH_WORKSPACE_ID: 'ws',
      BERTH_RUN_ID: 'run-1',
      BERTH_BUCKET: 'bucket',
      BERTH_API_URL: `http://127.0.0.1:${port}`,
      BERTH_AGENT_TOKEN: 'token',
      BERTH_WORKSPACE_DIR: path.join(base, 'ws'),
      BERTH_STATE_HOME: path.join(base, 'home'),
    });
    const log = silentLogger();
    const common = { prefix: '', owner: null };
    const engine = await SyncEngine.open(
      {
        ...common,
        workspaceDir: config.BERTH_WORKSPACE_DIR,
        stateDir: path.join(base, 'home/.berth'),
        createBucket: false,
        run: { workspaceId: 'ws', runId: 'run-1', prefix: '' },
      },
      s3,
      log,
    );
    const home = await HomeKeeper.open(
      { ...common, home: homeOf(config), stateDir: path.join(base, 'home/.berth/home') },
      s3,
      log,
    );
    const services = { services: [], roles: { code: 'code', vnc: 'vnc' }, rfbSocket: '/none', folders: [] };
    let end: (code: number) => void = () => undefined;
    const ended = new Promise<number>((resolve) => (end = resolve));
    const parts = { config, engine, home, log };
    const agent = new Agent({ ...parts, services, owner: null, exit: end });
    return { agent, ended, parts };
  }
});
