import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { connect, createServer, type AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import bcrypt from 'bcryptjs';
import { expect } from 'chai';
import { openKeyFile } from '../../../api/auth/key-file.js';
import { freePorts } from '../../support/ports.js';
import { eventually } from './support.js';

interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

describe('the programs', () => {
  let folder: string;
  const children: ChildProcess[] = [];
  beforeEach(async () => (folder = await mkdtemp(path.join(os.tmpdir(), 'berth-programs-'))));
  afterEach(async () => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
    await rm(folder, { recursive: true, force: true });
  });

  function start(program: string, args: string[], env: Record<string, string> = {}) {
    const child = spawn(process.execPath, ['--import=tsx', program, ...args], {
      env: { PATH: process.env['PATH'], BERTH_STATE_DIR: folder, ...env },
    });
    children.push(child);
    const output = { stdout: '', stderr: '' };
    child.stdout.on('data', (chunk: Buffer) => (output.stdout += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (output.stderr += chunk.toString()));
    const ended = once(child, 'close').then(([code]): Ended => ({ code: code as number | null, ...output }));
    return { child, output, ended };
  }

  const keys = (...args: string[]) => start('api/keys.ts', args).ended;

  describe('keys', function () {
    this.timeout(30_000);

    it('add prints just the key, and stores its hash alone', async () => {
      const { code, stdout, stderr } = await keys('add', 'ci robot');
      expect([code, stderr]).to.deep.equal([0, '']);
      expect(stdout).to.match(/^bk[a-z2-7]{8}_[A-Za-z0-9]{32}\n$/);
      const [id = '', secret = ''] = stdout.trim().split('_');
      const file = path.join(folder, 'keys.yaml');
      expect(await readFile(file, 'utf8')).to.not.contain(secret);
      expect((await stat(file)).mode & 0o777).to.equal(0o600);
      const entry = (await openKeyFile(file).read())?.keys[id];
      expect(entry?.name).to.equal('ci robot');
      expect(await bcrypt.compare(secret, entry?.hash ?? '')).to.equal(true);
    });

    it('add takes a scope, an end, labels and places; list shows them; rotate and revoke change what is in force', async () => {
      const wish = ['--scope', 'write', '--expires', '90d', '--label', 'team=a', '--label', 'env=test'];
      wish.push('--bucket', 'team-a-*', '--bucket', 'shared/team-a');
      const [id = ''] = (await keys('add', 'ci', ...wish)).stdout.split('_');
      const line = (await keys('list')).stdout.trim();
      expect(line).to.match(
        new RegExp(`^${id}  write  team=a,env=test  team-a-\\*,shared/team-a  \\S+Z  \\S+Z  ci$`),
      );
      const [newId = ''] = (await keys('rotate', id, '--grace', '1h')).stdout.split('_');
      const entries = (await openKeyFile(path.join(folder, 'keys.yaml')).read())?.keys ?? {};
      expect(entries[newId]).to.include({ name: 'ci', scope: 'write' });
      expect(entries[newId]?.labels).to.deep.equal({ team: 'a', env: 'test' });
      expect(entries[newId]?.buckets).to.deep.equal(['team-a-*', 'shared/team-a']);
      const graceMs = Date.parse(entries[id]?.expiresAt ?? '') - Date.now();
      expect(graceMs).to.be.within(3_300_000, 3_600_000);
      expect((await keys('revoke', id)).code).to.equal(0);
      expect((await keys('list')).stdout)
        .to.contain(newId)
        .and.not.to.contain(id);
      expect((await keys('revoke', id)).stderr).to.contain(`There is no key "${id}"`);
    });

    const mistakes: [string[], string][] = [
      [['add'], 'exactly one NAME'],
      [['add', 'x', '--scope', 'root'], 'must be one of read, write, admin'],
      [['add', 'x', '--expires', 'soon'], 'must be a time or a duration'],
      [['add', 'x', '--expires', '2020-01-01T00:00:00Z'], 'is past'],
      [['add', 'x', '--label', 'team'], 'must be NAME=VALUE'],
      [['rotate', 'x', '--grace', 'long'], '--grace: must be a number and a unit'],
    ];
    for (const [args, complaint] of mistakes) {
      it(`refuses ${args.join(' ')}`, async () => {
        const { code, stderr } = await keys(...args);
        expect(code).to.equal(2);
        expect(stderr).to.contain(complaint);
      });
    }

    it('says what is wrong and how it is used, and prints nothing else', async () => {
      const { code, stdout, stderr } = await keys('turn');
      expect([code, stdout]).to.deep.equal([2, '']);
      expect(stderr).to.match(/^keys: unknown command "turn"\nUsage: keys add NAME/);
    });
  });

  describe('api', function () {
    this.timeout(30_000);

    async function startApi(env: Record<string, string> = {}) {
      const [port = 0] = await freePorts(1);
      const running = start('api/main.ts', [], {
        BERTH_API_PORT: String(port),
        BERTH_API_HOST: '127.0.0.1',
        ...env,
      });
      const url = `http://127.0.0.1:${port}`;
      const answers = () =>
        fetch(`${url}/healthz`)
          .then(({ ok }) => ok)
          .catch(() => false);
      for (let tries = 0; !(await answers()) && tries < 3; tries++) {
        await eventually(
          answers,
          `an API that listens: ${running.output.stdout}${running.output.stderr}`,
        ).catch(() => {});
      }
      return { ...running, url };
    }

    it('takes a key that is added while it runs, and ends in order on SIGTERM', async () => {
      const { child, ended, url } = await startApi();
      const { stdout } = await keys('add', 'late');
      const headers = { Authorization: `Bearer ${stdout.trim()}`, 'Content-Type': 'application/json' };
      const list = await fetch(`${url}/api/containers`, { headers });
      expect([list.status, await list.json()]).to.deep.equal([200, { items: [], nextCursor: null }]);
      const body = JSON.stringify({ bucketId: 'demo', name: 'one' });
      const waiting = fetch(`${url}/api/containers/start?wait=300`, { method: 'POST', headers, body });
      await eventually(
        () =>
          stat(path.join(folder, 'desired/one.yaml')).then(
            () => true,
            () => false,
          ),
        'a declaration',
      );
      const began = performance.now();
      child.kill('SIGTERM');
      expect((await waiting).status).to.equal(202);
      const { code, stdout: log, stderr } = await ended;
      expect([code, stderr]).to.deep.equal([0, '']);
      // Sooner than what is forced.
      expect(performance.now() - began).to.be.below(7_500);
      const lines = log
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as { message: string });
      expect(lines.map(({ message }) => message)).to.include.members(['API listens', 'request', 'API ends']);
      expect(log).to.not.contain(stdout.trim().split('_')[1]);
    });

    it('waits for nobody who sends his headers drop by drop, and takes no endless ones', async () => {
      const { url } = await startApi();
      const ask = async (text: string) => {
        const socket = connect(Number(new URL(url).port), '127.0.0.1');
        socket.write(text);
        let answer = '';
        for await (const piece of socket) answer += String(piece);
        return answer.slice(0, 12);
      };
      const head = 'GET /healthz HTTP/1.1\r\nHost: x\r\n';
      expect(await ask(`${head}Connection: close\r\n\r\n`)).to.equal('HTTP/1.1 200');
      expect(await ask(`${head}X: ${'x'.repeat(20_000)}\r\n\r\n`)).to.equal('HTTP/1.1 431');
      expect(await ask(head)).to.equal('HTTP/1.1 408');
    });

    it('takes keys from the environment', async () => {
      const secret = 'a-secret-from-elsewhere';
      const { url } = await startApi({ BERTH_API_KEYS: `ops:${bcrypt.hashSync(secret, 4)}` });
      const { status } = await fetch(`${url}/auth`, { headers: { Authorization: `Bearer ops_${secret}` } });
      expect(status).to.equal(200);
    });

    it('names a wrong setting and ends', async () => {
      const { code, stdout } = await start('api/main.ts', [], { BERTH_API_PORT: '70000' }).ended;
      expect(code).to.equal(1);
      expect(stdout).to.contain('BERTH_API_PORT');
    });

    it('says that its port is taken and ends', async () => {
      const server = createServer().listen(0, '127.0.0.1');
      await once(server, 'listening');
      const { port } = server.address() as AddressInfo;
      const env = { BERTH_API_PORT: String(port), BERTH_API_HOST: '127.0.0.1' };
      const { code, stdout } = await start('api/main.ts', [], env).ended;
      server.close();
      expect(code).to.equal(1);
      expect(stdout).to.contain('EADDRINUSE');
    });
  });
});
