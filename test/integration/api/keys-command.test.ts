import { mkdtemp, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { runKeysCommand, UsageError } from '../../../api/auth/keys-command.js';

describe('the keys command', () => {
  let folder: string;
  let file: string;
  beforeEach(async () => {
    folder = await mkdtemp(path.join(os.tmpdir(), 'berth-keys-'));
    file = path.join(folder, 'keys.yaml');
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  async function keys(...args: string[]): Promise<string[]> {
    const lines: string[] = [];
    await runKeysCommand(args, { BERTH_STATE_DIR: folder }, (line) => lines.push(line));
    return lines;
  }

  const failureOf = (...args: string[]): Promise<unknown> =>
    keys(...args).then(
      () => null,
      (error: unknown) => error,
    );

  it('keeps all keys when several are added at once, and the comments', async () => {
    const other = path.join(folder, 'other.yaml');
    await writeFile(other, '# of the team\nkeys: {}\n', { mode: 0o644 });
    const added = await Promise.all(['a', 'b', 'c', 'd'].map((name) => keys('add', name, '--file', other)));
    const listed = await keys('list', '--file', other);
    expect(listed.map((line) => line.split('  ')[0])).to.have.members(
      added.map(([key]) => key?.split('_')[0]),
    );
    expect(listed.map((line) => line.split('  ')[6])).to.have.members(['a', 'b', 'c', 'd']);
    for (const [key] of added) expect(listed.join()).to.not.contain(key?.split('_')[1]);
    expect(await readFile(other, 'utf8')).to.match(/^# of the team\n/);
    expect((await stat(other)).mode & 0o777, 'hashes become private').to.equal(0o600);
  });

  it('lists nothing when there is no file', async () => expect(await keys('list')).to.deep.equal([]));

  it('shows its usage', async () => expect((await keys('--help')).join()).to.contain('keys add NAME'));

  const wrong: [string[], RegExp][] = [
    [[], /a command is missing/],
    [['add'], /exactly one NAME/],
    [['add', 'a', 'b'], /exactly one NAME/],
    [['add', '../x'], /a name has 1 to 64/],
    [['add', ''], /a name has 1 to 64/],
    [['turn'], /unknown command "turn"/],
    [['add', 'a', '--fiel', 'x'], /--fiel/],
    [['list', 'x'], /takes no operands/],
    [['add', 'a', '--bucket', 'UPPER'], /must be a bucket/],
    [['add', 'a', '--bucket', '*-a'], /must be a bucket/],
    [['add', 'a', '--bucket', 'shared/'], /must be a bucket/],
  ];
  for (const [args, words] of wrong) {
    it(`refuses: keys ${args.join(' ')}`, async () => {
      expect(await failureOf(...args))
        .to.be.instanceOf(UsageError)
        .with.property('message')
        .that.matches(words);
    });
  }

  it('leaves a broken file alone', async () => {
    await writeFile(file, 'keys: [');
    expect(String(await failureOf('add', 'a'))).to.contain('keys.yaml:1');
    expect(await readFile(file, 'utf8')).to.equal('keys: [');
  });

  it('says when there is no state folder', async () => {
    const failure = await failureOf('add', 'a', '--file', path.join(folder, 'no/where/keys.yaml'));
    expect(String(failure)).to.match(/There is no folder .*make up/);
  });

  it('takes over the lock of a command that was killed', async () => {
    const lock = path.join(folder, '.keys.yaml.lock');
    await writeFile(lock, '');
    const longAgo = new Date(Date.now() - 11_000);
    await utimes(lock, longAgo, longAgo);
    expect(await keys('add', 'a')).to.have.length(1);
    expect(await stat(lock).catch(() => null)).to.equal(null);
  });
});
