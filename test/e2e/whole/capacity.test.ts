import { randomBytes } from 'node:crypto';
import { readFile, rename, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect } from 'chai';
import { Berth } from '../../support/berth.js';
import { eventually } from '../../support/swarm.js';

interface Status {
  host: { memoryPercent: number };
  admission: { limitPercent: number; freeBytes: number };
}

interface Refusal {
  code: string;
  needBytes: number;
  freeBytes: number;
  limitPercent: number;
  running: number;
}

describe('A server whose memory is full (R7.3, R7.5)', function () {
  this.timeout(240_000);
  const berth = new Berth();
  /** The controller of a test reads the host's figures from here: links to the real ones (test/own-berth.sh). */
  const meminfo = path.join(berth.stateDir, 'proc/meminfo');
  const bucketId = `full-${randomBytes(4).toString('hex')}`;
  const ids: string[] = [];

  async function pretend(usedPercent: number): Promise<void> {
    const total = Number(/^MemTotal: +(\d+)/m.exec(await readFile('/proc/meminfo', 'utf8'))?.[1]);
    const available = Math.floor((total * (100 - usedPercent)) / 100);
    await writeFile(`${meminfo}.new`, `MemTotal: ${total} kB\nMemAvailable: ${available} kB\n`);
    await rename(`${meminfo}.new`, meminfo);
    const seen = async () =>
      Math.round((await berth.api<Status>('GET', '/api/system/status')).json.host.memoryPercent) ===
      usedPercent;
    await eventually('the status says so', seen);
  }
  async function restore(): Promise<void> {
    await symlink('/proc/meminfo', `${meminfo}.new`);
    await rename(`${meminfo}.new`, meminfo);
  }
  after(async () => {
    await restore();
    await berth.removeQuietly(ids);
    berth.close();
  });

  it('refuses starts at 90 %, with need, free, limit, running and when to try again', async () => {
    ids.push((await berth.start({ bucketId, prefix: 'first' })).containerId);
    await pretend(90);
    const { status, headers, json } = await berth.api<Refusal>('POST', '/api/containers/start', { bucketId });
    expect([status, json.code]).to.deep.equal([503, 'BERTH_CAPACITY']);
    expect(json).to.deep.include({ needBytes: 256 * 1024 ** 2, freeBytes: 0, limitPercent: 90 });
    expect(json.running).to.be.at.least(1);
    expect(Number(headers['retry-after'])).to.be.greaterThan(0);
  });

  it('lets one that is declared by a file wait, and starts it when there is room again', async () => {
    const id = `full-${randomBytes(4).toString('hex')}`;
    ids.push(id);
    const declaration = ['apiVersion: berth/v1', 'kind: Workspace', 'metadata:', `  id: ${id}`, 'spec:'];
    const spec = [`  bucket: ${bucketId}`, '  prefix: second', '  image: berth/testspace', ''];
    const file = path.join(berth.stateDir, 'desired', `${id}.yaml`);
    await writeFile(`${file}.new`, [...declaration, ...spec].join('\n'));
    await rename(`${file}.new`, file);
    const admitted = async () => (await berth.view(id)).conditions?.find(({ type }) => type === 'Admitted');
    await eventually('it waits', async () => (await admitted())?.reason === 'MemoryPressure');
    expect((await berth.view(id)).message).to.contain('below the limit of 90 %');
    expect(await berth.leftOvers(id)).to.deep.equal([]);
    await restore();
    await eventually('it runs', async () => (await berth.view(id)).status === 'running', 120_000);
    expect((await berth.view(ids[0] ?? '')).status, 'the one that ran all the while').to.equal('running');
  });
});
