import { existsSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { silentLogger } from '../../../shared/logger.js';
import { fillHome } from '../../../agent/services/home.js';
import { HomeKeeper } from '../../../agent/sync/home.js';
import { S3Error } from '../../../shared/s3/s3-error.js';
import { FakeS3 } from '../../fakes/s3.js';

describe("agent: the user's home", () => {
  let base: string;
  let s3: FakeS3;
  beforeEach(() => {
    base = mkdtempSync(path.join(tmpdir(), 'berth-home-'));
    s3 = new FakeS3();
  });
  afterEach(() => rmSync(base, { recursive: true, force: true }));

  const at = (...parts: string[]) => path.join(base, ...parts);
  const write = (file: string, text: string) => {
    mkdirSync(path.dirname(at(file)), { recursive: true });
    writeFileSync(at(file), text);
  };
  const open = (name: string, prefix = '') =>
    HomeKeeper.open(
      { home: at(name), stateDir: at(`${name}-state`), prefix, owner: null },
      s3,
      silentLogger(),
    );
  const never = new AbortController().signal;
  const inAMinute = () => AbortSignal.timeout(60_000);

  it('comes back in another workspace on the same bucket, without its caches', async () => {
    const one = await open('one', 'team/a');
    await one.restore(never);
    write('one/.bash_history', 'ls\n');
    write('one/.cache/big', 'x');
    write('one/.local/share/code-server/User/settings.json', '{}');
    write('one/.local/share/code-server/logs/today', 'x');
    await one.final(inAMinute());
    expect([...s3.objects.keys()]).to.have.members([
      'team/a/.berth/home/.bash_history',
      'team/a/.berth/home/.local/share/code-server/User/settings.json',
    ]);
    const two = await open('two', 'team/a');
    await two.restore(never);
    expect(readFileSync(at('two/.bash_history'), 'utf8')).to.equal('ls\n');
    expect(existsSync(at('two/.local/share/code-server/User/settings.json'))).to.equal(true);
  });

  it('is that of the last to write, without copies, where two change the same file', async () => {
    const [one, two] = [await open('one'), await open('two')];
    await Promise.all([one.restore(never), two.restore(never)]);
    write('one/.bash_history', 'first\n');
    write('two/.bash_history', 'second\n');
    await one.final(inAMinute());
    await two.final(inAMinute());
    expect(readdirSync(at('two'))).to.deep.equal(['.bash_history']);
    expect(s3.objects.size).to.equal(1);
    const [object] = s3.objects.values();
    expect(object?.body.toString()).to.equal('second\n');
  });

  it('never stops the work when the server refuses', async () => {
    s3.fault = () => new S3Error('bucket', 'AccessDenied', 'no');
    const one = await open('one');
    await one.restore(never);
    write('one/.profile', 'x');
    await one.cycle();
    await one.final(inAMinute());
    expect(s3.objects.size).to.equal(0);
  });

  it('is sent but for its largest files when it is too large, and loses none of them in the bucket', async () => {
    const one = await open('one');
    await one.restore(never);
    write('one/huge', 'small at first');
    await one.cycle();
    write('one/.profile', 'x');
    truncateSync(at('one/huge'), 513 * 1024 * 1024);
    await one.cycle();
    await one.final(inAMinute());
    expect(s3.text('.berth/home/.profile')).to.equal('x');
    expect(s3.text('.berth/home/huge')).to.equal('small at first');
    rmSync(at('one/huge'));
    await one.cycle();
    expect([...s3.objects.keys()]).to.deep.equal(['.berth/home/.profile']);
  });

  it('is not saved over what the bucket has when it could not be restored', async () => {
    s3.seed('.berth/home/.bashrc', 'mine');
    s3.fault = ({ method }) => (method === 'get' ? new S3Error('busy', 'SlowDown', 'later', 503) : null);
    const one = await open('one');
    await one.restore(never);
    s3.fault = () => null;
    write('one/.bashrc', 'default');
    await one.cycle();
    await one.final(inAMinute());
    expect(s3.text('.berth/home/.bashrc')).to.equal('mine');
  });

  it('gets from the skeleton what it lacks, and keeps what it has', async () => {
    write('skel/.bashrc', 'new');
    write('skel/.local/share/settings.json', 'default');
    write('skel/.local/share/other.json', 'default');
    write('home/.local/share/settings.json', 'mine');
    await fillHome(at('home'), at('skel'), null);
    expect(readFileSync(at('home/.bashrc'), 'utf8')).to.equal('new');
    expect(readFileSync(at('home/.local/share/settings.json'), 'utf8')).to.equal('mine');
    expect(readFileSync(at('home/.local/share/other.json'), 'utf8')).to.equal('default');
  });

  it('is never filled through a link, which could lead anywhere', async () => {
    write('skel/.local/share/settings.json', 'default');
    mkdirSync(at('elsewhere'));
    mkdirSync(at('home'));
    symlinkSync(at('elsewhere'), at('home/.local'));
    await fillHome(at('home'), at('skel'), null);
    expect(readdirSync(at('elsewhere'))).to.deep.equal([]);
    expect(lstatSync(at('home/.local')).isSymbolicLink()).to.equal(true);
  });
});
