import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { Berth, Bucket } from '../support/berth.js';
import { eventually } from '../support/swarm.js';
import { untar } from '../support/untar.js';

describe('The main job', function () {
  this.timeout(240_000);
  const berth = new Berth();
  const bucket = new Bucket(berth, `main-${randomBytes(4).toString('hex')}`);
  const started = new Set<string>();
  let ended = '';
  const start = async (body: Record<string, unknown>) => {
    const view = await berth.start(body);
    started.add(view.containerId);
    return view;
  };

  after(async () => {
    await berth.removeQuietly(started);
    bucket.close();
    berth.close();
  });

  it('starts a workspace by one POST, answers with its three URLs, and each of them serves by HTTPS (R1, R2)', async () => {
    const answer = await berth.api('POST', '/api/containers/start?wait=60', {
      bucketId: bucket.name,
      image: 'berth/testspace',
    });
    expect(answer.status, answer.text).to.equal(201);
    const { containerId: id, status, urls } = answer.json;
    started.add(id);
    expect(status).to.equal('running');
    const suffix = `.${berth.domain}:${berth.port}`;
    expect(urls).to.deep.equal({
      vnc: `https://${id}-vnc${suffix}`,
      code: `https://${id}-code${suffix}`,
      web: `https://${id}-web${suffix}`,
    });
    expect(answer.headers['location']).to.equal(`/api/containers/${id}`);
    for (const url of Object.values(urls)) {
      const page = await berth.request('GET', url);
      expect(page.status, url).to.equal(200);
    }
    expect(await bucket.exists(), 'the bundled server makes missing buckets').to.equal(true);
  });

  it('speaks RFB over the noVNC websocket', async () => {
    const [id] = started;
    const { urls } = await berth.view(id ?? '');
    const socket = berth.webSocket(`${urls.vnc}/websockify`);
    const greeting = await new Promise<string>((resolve, reject) => {
      socket.once('message', (data: Buffer) => resolve(data.toString('latin1')));
      socket.once('error', reject);
    });
    socket.close();
    expect(greeting).to.match(/^RFB 003\.00[378]\n$/);
  });

  it('lists it, shows it, and knows what the host is up to', async () => {
    const [id = ''] = started;
    const list = await berth.api<{ items: { containerId: string }[] }>(
      'GET',
      '/api/containers?status=running',
    );
    expect(list.json.items.map((item) => item.containerId)).to.include(id);
    expect((await berth.view(id)).status).to.equal('running');
    const system = await berth.api<{ host: { memoryTotalBytes: number } }>('GET', '/api/system/status');
    expect(system.status).to.equal(200);
    expect(system.json.host.memoryTotalBytes).to.be.greaterThan(0);
  });

  it('passes requests and websockets to the app of the user, once there is one', async () => {
    const [id = ''] = started;
    const { urls } = await berth.view(id);
    const before = await berth.request('GET', urls.web);
    expect(before.headers['x-berth-web']).to.equal('waiting');
    const app = `require('http').createServer((q, r) => r.end('my app ' + q.headers.host)).listen(3000)`;
    await berth.shell(id, `nohup node -e "${app}" >/dev/null 2>&1 &`);
    await eventually('the app answers', async () => {
      const { text } = await berth.request('GET', urls.web);
      return text === `my app ${new URL(urls.web).host}`;
    });
  });

  it('has changed files in the bucket within 20 seconds (R4.3)', async () => {
    const [id = ''] = started;
    await berth.shell(id, 'echo hi > /workspace/hello.txt');
    await eventually(
      'hello.txt in the bucket',
      async () => (await bucket.get('hello.txt')) === 'hi\n',
      20_000,
    );
  });

  it('gives up nothing at the end: the last change is saved, everything else goes within 30 s (R1.4, R4.4, R9.5)', async () => {
    const [id = ''] = started;
    const { urls } = await berth.view(id);
    await berth.shell(id, 'echo set -o vi > /home/dev/.inputrc');
    await berth.shell(id, 'mkdir -p "/workspace/a b" && echo last > "/workspace/a b/last ü.txt"');
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const answer = await berth.api('DELETE', `/api/containers/${id}?wait=30`);
    expect(answer.status, answer.text).to.equal(200);
    expect(answer.json).to.include({ status: 'stopped', shutdownReason: 'UserRequest' });
    expect(await berth.leftOvers(id)).to.deep.equal([]);
    for (const url of Object.values(urls))
      expect((await berth.request('GET', url)).status, url).to.equal(404);
    expect(await bucket.get('a b/last ü.txt')).to.equal('last\n');
    const list = await berth.api<{ items: { containerId: string }[] }>('GET', '/api/containers');
    expect(list.json.items.map((item) => item.containerId)).not.to.include(id);
    started.delete(id);
    ended = id;
  });

  it('hands out the files of a stopped workspace as a tar', async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'berth-tar-'));
    try {
      await untar(await berth.download(`/api/containers/${ended}/files.tar`), folder);
      expect(readFileSync(path.join(folder, 'a b/last ü.txt'), 'utf8')).to.equal('last\n');
      expect(readFileSync(path.join(folder, 'hello.txt'), 'utf8')).to.equal('hi\n');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('shows all files in a new workspace on the same bucket', async () => {
    const { containerId: id } = await start({ bucketId: bucket.name, name: 'second-look' });
    expect(id).to.equal('second-look');
    expect(await berth.shell(id, 'cat /workspace/hello.txt "/workspace/a b/last ü.txt"')).to.equal(
      'hi\nlast\n',
    );
    expect(await berth.shell(id, 'stat -c %U /workspace/hello.txt')).to.equal('dev\n');
  });

  it('brings the home along, filled up from the image', async () => {
    expect(await berth.shell('second-look', 'cat /home/dev/.inputrc')).to.equal('set -o vi\n');
    expect(await berth.shell('second-look', 'stat -c %U /home/dev /home/dev/.bashrc')).to.equal('dev\ndev\n');
  });

  it('gives a name to one workspace at a time', async () => {
    const again = await berth.api('POST', '/api/containers/start', {
      bucketId: bucket.name,
      name: 'second-look',
    });
    expect(again.status).to.equal(409);
    await berth.remove('second-look');
    const view = await start({ bucketId: bucket.name, name: 'second-look' });
    expect(view.status).to.equal('running');
  });
});
