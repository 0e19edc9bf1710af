import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { Berth, Bucket } from '../support/berth.js';
import { eventually, execIn } from '../support/swarm.js';

const run = promisify(execFile);
const options = { maxBuffer: 256 * 1024 ** 2 };

/** Files of the host that hold a text, of those that were written since a mark. */
async function filesWith(text: string, folders: string[], newerThan: string): Promise<string[]> {
  const files = `find ${folders.join(' ')} -xdev -type f -newer ${newerThan} -print0`;
  const { stdout } = await run(
    'bash',
    ['-c', `${files} | xargs -0 -r grep -slF -- "$0" || true`, text],
    options,
  );
  return stdout.split('\n').filter((line) => line !== '');
}

describe('What a workspace leaves to be read', function () {
  this.timeout(240_000);
  const berth = new Berth();
  const id = `trace-${randomBytes(3).toString('hex')}`;
  const bucket = new Bucket(berth, id);
  const canary = `canary-${randomBytes(12).toString('hex')}`;
  let folder: string;
  let container: string;
  let secrets: Record<string, string>;

  before(async () => {
    folder = await mkdtemp('/var/tmp/berth-trace-');
    await writeFile(path.join(folder, 'mark'), '');
    await berth.start({ bucketId: id, name: id, image: 'berth/workspace' });
    container = await berth.containerOf(id);
    const { stdout } = await run('docker', ['inspect', '--format', '{{json .Config.Env}}', container]);
    const given = new Map(
      (JSON.parse(stdout) as string[]).map((line) => line.split(/=(.*)/s, 2) as [string, string]),
    );
    secrets = {
      'the S3 secret': given.get('AWS_SECRET_ACCESS_KEY') ?? '',
      "the agent's token": given.get('BERTH_AGENT_TOKEN') ?? '',
      'the key of the API': process.env['BERTH_TEST_KEY']?.split('_')[1] ?? '',
      "the key of agents' tokens": (
        await readFile(path.join(berth.stateDir, 'secrets/agent-token.key'), 'utf8')
      ).trim(),
    };
    for (const [what, secret] of Object.entries(secrets)) expect(secret.length, what).to.be.at.least(16);
  });
  after(async () => {
    await berth.removeQuietly([id]);
    await rm(folder, { recursive: true, force: true });
    bucket.close();
    berth.close();
  });

  const withSecrets = (text: string) =>
    Object.entries(secrets).flatMap(([what, secret]) => (text.includes(secret) ? [what] : []));

  it('its agent is given its secrets as environment variables (R9.4)', async () => {
    const script = `cat /proc/[0-9]*/environ`;
    const seen = await execIn(container, ['bash', '-c', `${script} 2>/dev/null || true`], 'root');
    expect(withSecrets(seen)).to.include.members(['the S3 secret', "the agent's token"]);
  });

  it('the user reads no secret: in no process, no file', async () => {
    // `docker exec` hands the container's variables to what it starts; a terminal in the IDE has none.
    const asUser = (script: string) => execIn(container, ['env', '-i', '/bin/bash', '-c', script]);
    const seen = await asUser(`cat /proc/[0-9]*/{environ,cmdline} 2>/dev/null | tr '\\0' '\\n' || true`);
    expect(seen).to.contain('/usr/bin/tini');
    expect(withSecrets(seen)).to.deep.equal([]);
    for (const [what, secret] of Object.entries(secrets)) {
      const script = `grep -rslF --exclude-dir=proc --exclude-dir=sys --exclude-dir=node_modules ${secret} / 2>/dev/null || true`;
      // The question itself is a command line.
      expect(await asUser(script), what).to.equal('');
    }
  });

  it('no image holds a secret, in no layer’s command and no variable', async () => {
    const { stdout } = await run('docker', ['image', 'ls', '--quiet', '--filter', 'reference=berth/*']);
    const images = [...new Set(stdout.trim().split('\n'))];
    expect(images.length).to.be.at.least(6);
    const told = await Promise.all([
      ...images.map((image) => run('docker', ['image', 'history', '--no-trunc', image], options)),
      run('docker', ['image', 'inspect', ...images], options),
    ]);
    const text = told.map((answer) => answer.stdout).join('\n');
    expect(withSecrets(text)).to.deep.equal([]);
    expect(text).not.to.match(/(AWS_SECRET_ACCESS_KEY|BERTH_AGENT_TOKEN)=/);
  });

  it('no log and no view tells a secret', async () => {
    const names = ['api', 'controller', 'gateway', 'certs', 'guard', 's3'].map(
      (name) => `${berth.stack}_${name}`,
    );
    const logs = await Promise.all([
      ...names.map((name) => run('docker', ['service', 'logs', '--raw', name], options)),
      run('docker', ['logs', container], options),
    ]);
    const text = logs.map(({ stdout, stderr }) => stdout + stderr).join('\n');
    expect(text).to.contain(id);
    expect(withSecrets(text)).to.deep.equal([]);
    const views = await Promise.all(
      ['', `/${id}`, `/${id}/events`, `/${id}/health`].map((rest) =>
        berth.api('GET', `/api/containers${rest}`),
      ),
    );
    expect(withSecrets(views.map((view) => view.text).join('\n'))).to.deep.equal([]);
  });

  /** Others' come and go meanwhile: what was asked for is told also when one of them is gone. */
  async function allServices(): Promise<{ Spec: { Name: string } }[]> {
    const { stdout: ids } = await run('docker', ['service', 'ls', '--quiet']);
    const inspect = run('docker', ['service', 'inspect', ...ids.trim().split('\n')], options);
    const { stdout } = await inspect.catch((error: { stdout: string; stderr: string }) => {
      expect(error.stderr).to.contain('no such service');
      return error;
    });
    return JSON.parse(stdout) as { Spec: { Name: string } }[];
  }

  it('only its own service is told the keys to the bucket and its token; keys of the API are hashed', async () => {
    const services = await allServices();
    const told = services.filter((service) => withSecrets(JSON.stringify(service)).length > 0);
    expect(told.map(({ Spec }) => Spec.Name)).to.deep.equal([`${berth.stack}-ws-${id}`]);
    expect(withSecrets(await readFile(path.join(berth.stateDir, 'keys.yaml'), 'utf8'))).to.deep.equal([]);
  });

  it('nothing in the repository is a secret of a Berth', async () => {
    for (const [what, secret] of Object.entries(secrets)) {
      const found = await run('git', ['grep', '-lF', secret]).catch(({ stdout }: { stdout: string }) => ({
        stdout,
      }));
      expect(found.stdout, what).to.equal('');
    }
  });

  it('no byte of its files is on the host once it is removed (R9.5)', async () => {
    const { stdout: root } = await run('docker', ['info', '--format', '{{.DockerRootDir}}']);
    const folders = [root.trim(), '/var/run/docker', berth.stateDir];
    const mark = path.join(folder, 'mark');
    const write = `for f in /workspace/a /home/dev/b /tmp/c /dev/shm/d; do echo ${canary} >$f; done`;
    await berth.shell(id, write);
    await eventually('it is saved', async () => (await bucket.get('a')) === `${canary}\n`);
    const inS3 = (file: string) => file.startsWith(path.join(berth.stateDir, 's3/'));
    const found = async () => (await filesWith(canary, folders, mark)).filter((file) => !inS3(file));
    // The control: now it is there, on both volumes and in the container's own layer.
    expect((await found()).length).to.be.at.least(3);
    await berth.remove(id);
    await eventually('its containers are gone', async () => (await berth.leftOvers(id)).length === 0);
    expect(await found()).to.deep.equal([]);
    const { stdout: mounts } = await run('bash', ['-c', `grep -F ${id} /proc/mounts || true`]);
    expect(mounts).to.equal('');
  });
});
