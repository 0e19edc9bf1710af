import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { Berth, Bucket } from '../support/berth.js';
import { eventually } from '../support/swarm.js';

const run = promisify(execFile);

describe('An operator who edits files', function () {
  this.timeout(300_000);
  const berth = new Berth();
  const bucket = new Bucket(berth, `op-${randomBytes(4).toString('hex')}`);
  const id = `op-${randomBytes(3).toString('hex')}`;
  const other = `${id}-b`;
  const fileOf = (name: string) => path.join(berth.stateDir, 'desired', `${name}.yaml`);

  const declaration = (name: string, lines = '') => `# kept by hand
apiVersion: berth/v1
kind: Workspace
metadata:
  id: ${name}
${lines}spec:
  bucket: ${bucket.name} # ours
  image: berth/testspace
`;
  /** As editors do it: a new file takes the old one's place. */
  async function edit(name: string, change: (text: string) => string): Promise<void> {
    const text = change(await readFile(fileOf(name), 'utf8').catch(() => ''));
    const temporary = path.join(berth.stateDir, `edited-${name}`);
    await writeFile(temporary, text);
    await rename(temporary, fileOf(name));
  }
  const statusOf = async (name: string) => (await berth.view(name)).status;
  const conditionOf = async (name: string, type: string) =>
    (await berth.view(name)).conditions.find((condition) => condition.type === type);
  const plan = async (env: NodeJS.ProcessEnv = {}) =>
    (await run('manifests/host/plan.sh', [], { env: { ...process.env, ...env } })).stdout;

  after(async () => {
    await Promise.all([id, other].map((name) => rm(fileOf(name), { force: true })));
    for (const name of [id, other])
      await eventually('gone', async () => (await berth.leftOvers(name)).length === 0, 120_000);
    bucket.close();
    berth.close();
  });

  it('starts a workspace by adding a file, and changes it within two seconds', async () => {
    await edit(id, () => declaration(id));
    await eventually('running', async () => (await statusOf(id)) === 'running', 120_000);
    const start = Date.now();
    await edit(id, (text) => text.replace('spec:', 'spec:\n  state: stopped'));
    await eventually('acted upon', async () => (await statusOf(id)) === 'stopping');
    expect(Date.now() - start).to.be.below(2_000);
    await eventually('stopped', async () => (await statusOf(id)) === 'stopped', 120_000);
    expect(await readFile(fileOf(id), 'utf8'))
      .to.contain('# kept by hand')
      .and.to.contain('# ours');
  });

  it('sees by make plan what a change would do, before it is made', async () => {
    const folder = await mkdtemp(path.join(os.tmpdir(), 'berth-plan-'));
    try {
      await writeFile(path.join(folder, `${id}.yaml`), declaration(id));
      await writeFile(path.join(folder, `${other}.yaml`), 'kind: [');
      const text = await plan({ DIR: folder });
      expect(text).to.match(new RegExp(`${id} +stopped -> starting +createNetwork`));
      expect(text).to.match(new RegExp(`${other}.yaml:\\d+: `));
      expect(await plan({ W: id })).to.match(new RegExp(`${id} +stopped +nothing to do`));
      expect(await statusOf(id), 'nothing was done').to.equal('stopped');
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  it('pauses a workspace: nothing is done about it until the pause ends', async () => {
    const paused = '  annotations:\n    berth/paused: "true"\n';
    await edit(id, () => declaration(id, paused));
    await eventually('paused', async () => (await conditionOf(id, 'Paused'))?.status === 'True');
    expect(await statusOf(id)).to.equal('stopped');
    expect(await plan({ W: id })).to.contain('nothing to do');
    expect(await berth.leftOvers(id)).to.deep.equal([]);
    await edit(id, () => declaration(id));
    await eventually('running', async () => (await statusOf(id)) === 'running', 120_000);
    const container = await berth.containerOf(id);
    await edit(id, () => declaration(id, paused).replace('spec:', 'spec:\n  state: stopped'));
    await eventually('paused', async () => (await conditionOf(id, 'Paused'))?.status === 'True');
    expect(await statusOf(id)).to.equal('running');
    expect(await berth.containerOf(id)).to.equal(container);
    await edit(id, () => declaration(id));
    await eventually('cared for', async () => (await conditionOf(id, 'Paused')) === undefined);
    expect(await berth.containerOf(id)).to.equal(container);
  });

  it('renames a workspace by renaming its file: the old one ends, the new one has its files', async () => {
    await berth.shell(id, 'echo work > /workspace/note');
    await edit(other, () => declaration(other));
    await rm(fileOf(id));
    await eventually('the old one gone', async () => (await berth.leftOvers(id)).length === 0, 120_000);
    await eventually('the new one runs', async () => (await statusOf(other)) === 'running', 120_000);
    await eventually(
      'the file',
      async () => (await berth.shell(other, 'cat /workspace/note 2>/dev/null; true')) === 'work\n',
      // It may hear of the other one with its next heartbeat, and pulls after that (docs/sync.md).
      120_000,
    );
  });
});
