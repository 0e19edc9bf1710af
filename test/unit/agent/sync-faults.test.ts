import fs from 'node:fs';
import { expect } from 'chai';
import { S3Error } from '../../../shared/s3/s3-error.js';
import { FakeS3 } from '../../fakes/s3.js';
import { Replica } from '../../support/agent/replica.js';

const signal = () => new AbortController().signal;
const silent = () => undefined;

describe('agent: sync when things go wrong', () => {
  let s3: FakeS3;
  let replica: Replica;

  beforeEach(() => {
    s3 = new FakeS3();
    replica = new Replica(s3);
  });
  afterEach(() => replica.dispose());

  const bucket = () =>
    Object.fromEntries([...s3.objects].map(([key, object]) => [key, object.body.toString()]));

  it('takes its own write for its own when the answer was lost', async () => {
    await replica.start();
    for (let i = 0; i < 20; i++) fs.writeFileSync(replica.at(`f${i}`), `v${i}`);
    let dropped = 0;
    s3.fault = ({ method }) => (method === 'put' && dropped++ % 2 === 0 ? 'dropAfter' : null);
    await replica.engine.cycle();
    s3.fault = () => null;
    await replica.engine.cycle();
    expect(Object.keys(replica.tree())).to.have.lengthOf(20);
    expect(bucket()).to.deep.equal(replica.tree());
  });

  it('goes on with the work while the server is away, and catches up', async () => {
    await replica.start();
    s3.fault = () => 'dropBefore';
    for (let i = 0; i < 500; i++) fs.writeFileSync(replica.at(`f${i}`), 'x');
    s3.calls = [];
    expect(await replica.engine.cycle(), 'the first failure is news').to.equal(true);
    expect(replica.engine.status()).to.include({ pendingFiles: 500, pendingBytes: 500 });
    expect(replica.engine.status().error).to.contain('ECONNRESET');
    expect(s3.calls.length, 'no request a file against a dead server').to.be.below(100);
    expect(await replica.engine.cycle(), 'the same failure is no news').to.equal(false);
    s3.fault = () => null;
    expect(await replica.engine.cycle()).to.equal(true);
    expect(replica.engine.status()).to.include({ pendingFiles: 0, pendingBytes: 0, error: null, files: 500 });
  });

  it('takes a deletion that cannot reach the bucket for work once, not for as long as it waits', async () => {
    let now = 1_000_000;
    replica.dispose();
    replica = new Replica(s3, { now: () => now });
    await replica.start();
    fs.writeFileSync(replica.at('a'), 'x');
    await replica.engine.cycle();
    fs.unlinkSync(replica.at('a'));
    s3.fault = ({ method }) =>
      method === 'remove' ? new S3Error('bucket', 'AccessDenied', 'no', 403) : null;
    now += 60_000;
    const deletedAt = now;
    for (let n = 0; n < 3; n++) {
      await replica.engine.cycle();
      expect(replica.engine.activityAt).to.equal(new Date(deletedAt).toISOString());
      now += 60_000;
    }
    expect(bucket()).to.deep.equal({ a: 'x' });
  });

  it('deletes nothing in a cycle in which something could not be sent', async () => {
    await replica.start();
    fs.writeFileSync(replica.at('old name'), 'content');
    await replica.engine.cycle();
    fs.renameSync(replica.at('old name'), replica.at('new name'));
    s3.fault = ({ method }) => (method === 'put' ? new S3Error('busy', 'SlowDown', 'later', 503) : null);
    await replica.engine.cycle();
    expect(bucket()).to.deep.equal({ 'old name': 'content' });
    s3.fault = () => null;
    await replica.engine.cycle();
    expect(bucket()).to.deep.equal({ 'new name': 'content' });
  });

  it('sends git’s references only after the objects they name', async () => {
    await replica.start();
    fs.mkdirSync(replica.at('repo/.git/objects/ab'), { recursive: true });
    fs.mkdirSync(replica.at('repo/.git/refs/heads'), { recursive: true });
    fs.writeFileSync(replica.at('repo/.git/HEAD'), 'ref');
    fs.writeFileSync(replica.at('repo/.git/refs/heads/main'), 'abcd');
    fs.writeFileSync(replica.at('repo/.git/objects/ab/cd'), 'object');
    fs.writeFileSync(replica.at('repo/file'), 'x');
    s3.fault = ({ key }) => (key.includes('objects') ? new S3Error('busy', 'SlowDown', '', 503) : null);
    await replica.engine.cycle();
    expect(Object.keys(bucket())).to.deep.equal(['repo/file']);
    s3.fault = () => null;
    s3.calls = [];
    await replica.engine.cycle();
    const puts = s3.calls.filter((call) => call.method === 'put').map((call) => call.key);
    expect(puts[0]).to.equal('repo/.git/objects/ab/cd');
    expect(puts).to.have.members(['repo/.git/objects/ab/cd', 'repo/.git/HEAD', 'repo/.git/refs/heads/main']);
  });

  it('ends at once on errors that only a person can mend, and names them', async () => {
    await replica.start();
    for (let i = 0; i < 100; i++) fs.writeFileSync(replica.at(`f${i}`), 'x');
    s3.fault = () => new S3Error('bucket', 'AccessDenied', 'no', 403);
    s3.calls = [];
    const { exitCode, finalSync } = await replica.engine.final(AbortSignal.timeout(60_000));
    expect(exitCode).to.equal(76);
    expect(finalSync).to.include({ ok: false, failed: 100 });
    expect(finalSync.message).to.contain('AccessDenied').and.contain('100 files are not in the bucket');
    expect(s3.calls.length).to.be.at.most(32);
  });

  describe('a bucket that is full', () => {
    const full = new S3Error('full', 'QuotaExceeded', 'no', 403);
    beforeEach(async () => {
      // File systems stamp with a clock that is some milliseconds behind: what is made after a file was read, and
      // gets its inode, is to look so.
      replica.dispose();
      replica = new Replica(s3, { now: () => Date.now() - 1_000 });
      await replica.start();
      for (const name of ['old', 'keep']) fs.writeFileSync(replica.at(name), name);
      fs.mkdirSync(replica.at('repo/.git'), { recursive: true });
      fs.writeFileSync(replica.at('repo/.git/ORIG_HEAD'), 'of git');
      await replica.engine.cycle();
      s3.fault = ({ method }) => (method === 'put' ? full : null);
      s3.calls = [];
    });

    it('is told once, costs few requests, and leaves what there is', async () => {
      for (let i = 0; i < 100; i++) fs.writeFileSync(replica.at(`f${i}`), 'x');
      await replica.engine.cycle();
      expect(s3.calls.length).to.be.at.most(32);
      expect(replica.engine.status()).to.include({ pendingFiles: 100, failed: 0 });
      expect(replica.engine.status().error).to.contain('QuotaExceeded');
      expect(bucket()).to.include({ old: 'old', keep: 'keep' });
    });

    it('takes deletions, which make room, but not of what may be the other half of a rename, nor of git’s', async () => {
      fs.writeFileSync(replica.at('new'), 'waits for room');
      fs.renameSync(replica.at('keep'), replica.at('kept'));
      fs.rmSync(replica.at('old'));
      fs.rmSync(replica.at('repo/.git/ORIG_HEAD'));
      fs.writeFileSync(replica.at('repo/.git/HEAD'), 'long enough');
      await replica.engine.cycle();
      expect(bucket()).to.deep.equal({ keep: 'keep', 'repo/.git/ORIG_HEAD': 'of git' });
      s3.fault = () => null;
      await replica.engine.cycle();
      expect(bucket()).to.deep.equal({
        ...{ new: 'waits for room', kept: 'keep', 'repo/.git/HEAD': 'long enough' },
      });
    });

    it('ends the last sync for a person to act, but only when no deletion made room', async () => {
      fs.writeFileSync(replica.at('new'), 'waits');
      const first = await replica.engine.final(AbortSignal.timeout(60_000));
      expect([first.exitCode, first.finalSync.ok]).to.deep.equal([76, false]);
      fs.rmSync(replica.at('old'));
      s3.fault = ({ method }) => (method === 'put' && s3.objects.has('old') ? full : null);
      const second = await replica.engine.final(AbortSignal.timeout(60_000));
      expect([second.exitCode, second.finalSync.ok]).to.deep.equal([0, true]);
      expect(bucket()).to.include({ new: 'waits' });
    });
  });

  it('gives the final sync up at its deadline, and says that trying again may help', async () => {
    await replica.start();
    fs.writeFileSync(replica.at('f'), 'x');
    s3.fault = () => 'dropBefore';
    const { exitCode } = await replica.engine.final(AbortSignal.timeout(300));
    expect(exitCode).to.equal(75);
  });

  it('retries the final sync while time remains', async () => {
    await replica.start();
    fs.writeFileSync(replica.at('f'), 'x');
    let failures = 5;
    s3.fault = () => (failures-- > 0 ? 'dropBefore' : null);
    const { exitCode } = await replica.engine.final(AbortSignal.timeout(20_000));
    expect(exitCode).to.equal(0);
    expect(bucket()).to.deep.equal({ f: 'x' });
  });

  it('is not given up early because somebody set the clock meanwhile', async () => {
    let now = Date.now();
    const other = new Replica(s3, { now: () => (now += 3_600_000) });
    try {
      await other.start();
      fs.writeFileSync(other.at('f'), 'x');
      let failures = 5;
      s3.fault = () => (failures-- > 0 ? 'dropBefore' : null);
      const { exitCode } = await other.engine.final(AbortSignal.timeout(20_000));
      expect(exitCode).to.equal(0);
      expect(bucket()).to.deep.equal({ f: 'x' });
    } finally {
      other.dispose();
    }
  });

  it('deletes nothing after a restore that was broken off, and loses no local change', async () => {
    for (let i = 0; i < 50; i++) s3.seed(`f${i}`, `v${i}`);
    const stop = new AbortController();
    let gets = 0;
    s3.fault = ({ method }) => {
      if (method === 'get' && ++gets === 10) stop.abort(new Error('stopping'));
      return null;
    };
    await replica.open();
    await replica.engine.restore(stop.signal, silent).then(
      () => expect.fail('was not broken off'),
      () => undefined,
    );
    s3.fault = () => null;
    fs.writeFileSync(replica.at('local'), 'only here');
    const { exitCode, finalSync } = await replica.engine.final(AbortSignal.timeout(5_000));
    expect([exitCode, finalSync.ok]).to.deep.equal([0, true]);
    expect(Object.keys(bucket())).to.have.lengthOf(51);
    await replica.start();
    await replica.engine.cycle();
    expect(Object.keys(replica.tree())).to.have.lengthOf(51);
    expect(bucket()).to.deep.equal(replica.tree());
  });

  it('takes what was deleted before a restart out of the bucket, also when its restore is broken off', async () => {
    for (let i = 0; i < 5; i++) s3.seed(`f${i}`, `v${i}`);
    await replica.start();
    fs.rmSync(replica.at('f3'));
    await replica.open();
    s3.fault = ({ method }) => (method === 'list' ? 'dropBefore' : null);
    const stop = new AbortController();
    const restore = replica.engine.restore(stop.signal, () => stop.abort(new Error('stopping')));
    await restore.then(
      () => expect.fail('was not broken off'),
      () => undefined,
    );
    s3.fault = () => null;
    const { exitCode } = await replica.engine.final(AbortSignal.timeout(5_000));
    expect(exitCode).to.equal(0);
    expect(Object.keys(bucket())).to.deep.equal(['f0', 'f1', 'f2', 'f4']);
  });

  it('retries a restore until the server answers, and says what it waits for', async function () {
    s3.seed('f', 'x');
    let failures = 2;
    s3.fault = () => (failures-- > 0 ? 'dropBefore' : null);
    const told: string[] = [];
    await replica.open();
    await replica.engine.restore(signal(), (message) => told.push(message));
    expect(told).to.have.lengthOf(2);
    expect(told[0]).to.contain('ECONNRESET');
    expect(replica.tree()).to.deep.equal({ f: 'x' });
    expect(replica.engine.status().error).to.equal(null);
  });

  it('refuses keys that lead out of the workspace or cannot be files, and opens the rest', async () => {
    for (const key of ['../outside', 'a/../../b', '/abs', 'x//y', 'nul\0']) s3.seed(key, 'evil');
    s3.seed('both', 'file');
    s3.seed('both/inside', 'in folder');
    s3.seed('link', '../../outside', { mode: '120777' });
    s3.seed('link/through', 'evil');
    s3.seed('marked-as-link', '', { mode: '120777' });
    s3.seed('good', 'good');
    s3.seed('folder/', '');
    await replica.start();
    expect(replica.tree()).to.deep.equal({
      'both/': '<dir>',
      'both/inside': 'in folder',
      'folder/': '<dir>',
      'link/': '<dir>',
      'link/through': 'evil',
      good: 'good',
    });
    expect(fs.readdirSync(replica.base)).to.have.members(['ws', 'home']);
    const before = [...s3.objects.keys()];
    await replica.engine.cycle();
    expect([...s3.objects.keys()], 'nothing that was refused is deleted').to.deep.equal(before);
  });

  it('never removes the only copy of a file whose name others need for a folder', async () => {
    replica.dispose();
    // Nothing was written so lately that its time stamps say little.
    replica = new Replica(s3, { now: () => Date.now() + 10_000 });
    await replica.start();
    fs.writeFileSync(replica.at('d'), 'file');
    await replica.engine.cycle();
    s3.seed('d/x', 'in folder');
    await replica.start();
    await replica.engine.cycle();
    const tree = replica.tree();
    expect(tree).to.include({ 'd/x': 'in folder' });
    expect(Object.values(tree), 'set aside').to.include('file');
    expect(bucket(), 'as the other left it').to.include({ d: 'file', 'd/x': 'in folder' });
  });

  it('never follows a link that took a folder’s place', async () => {
    await replica.start();
    fs.mkdirSync(`${replica.base}/secret`);
    fs.writeFileSync(`${replica.base}/secret/token`, 'secret');
    fs.symlinkSync(`${replica.base}/secret`, replica.at('dir'));
    s3.seed('dir/planted', 'evil');
    await replica.engine.cycle();
    await replica.open();
    await replica.engine.restore(signal(), silent);
    expect(fs.readdirSync(`${replica.base}/secret`)).to.deep.equal(['token']);
    const copy = [...s3.objects.keys()].find((key) => key.startsWith('dir.conflict-')) ?? '';
    expect(s3.text(copy), 'the link itself is kept').to.equal(`${replica.base}/secret`);
    expect(Object.values(bucket())).not.to.include('secret');
    expect(replica.tree()).to.include({ 'dir/planted': 'evil' });
  });

  it('puts off a file that changes while it is read, but not for ever', async () => {
    await replica.start();
    const file = replica.at('log');
    fs.writeFileSync(file, Buffer.alloc(400_000));
    const writer = setInterval(() => fs.appendFileSync(file, 'x'), 1);
    try {
      const grow = () => fs.appendFileSync(file, 'y');
      for (let i = 0; i < 4; i++) {
        const cycle = replica.engine.cycle();
        setImmediate(grow);
        await cycle;
      }
    } finally {
      clearInterval(writer);
    }
    expect(s3.objects.has('log')).to.equal(true);
  });

  it('finds a second change within the same clock tick', async () => {
    await replica.start();
    fs.writeFileSync(replica.at('f'), 'one');
    await replica.engine.cycle();
    const [entry] = readEntries();
    // The same size, and a state that claims to have seen just these time stamps.
    fs.writeFileSync(replica.at('f'), 'two');
    const stat = fs.lstatSync(replica.at('f'), { bigint: true });
    const SIZE_TO_MODE = [5, 6, 7];
    [stat.mtimeNs, stat.ctimeNs, stat.ino].forEach((value, i) => (entry![SIZE_TO_MODE[i]!] = String(value)));
    entry![9] = Number(stat.ctimeNs / 1_000_000n) + 1;
    writeEntries([entry!]);
    await replica.open();
    const { exitCode } = await replica.engine.final(AbortSignal.timeout(5_000));
    expect([exitCode, s3.text('f')]).to.deep.equal([0, 'two']);
  });

  it('survives a state file that makes no sense', async () => {
    await replica.start();
    fs.writeFileSync(replica.at('f'), 'x');
    await replica.engine.cycle();
    fs.writeFileSync(`${replica.stateDir}/state.json`, '{"version":1,');
    fs.writeFileSync(replica.at('g'), 'y');
    await replica.start();
    await replica.engine.cycle();
    expect(bucket()).to.deep.equal({ f: 'x', g: 'y' });
    expect(replica.tree()).to.deep.equal({ f: 'x', g: 'y' });
    expect(fs.readdirSync(replica.stateDir)).to.include('state.json.broken');
  });

  it('keeps the disk’s files when the bucket was emptied, and sends them again', async () => {
    await replica.start();
    fs.writeFileSync(replica.at('f'), 'x');
    await replica.engine.cycle();
    s3.objects.clear();
    await replica.start();
    await replica.engine.cycle();
    expect(bucket()).to.deep.equal({ f: 'x' });
  });

  it('aborts the parts of an upload that failed', async function () {
    this.timeout(20_000);
    await replica.start();
    fs.writeFileSync(replica.at('large'), Buffer.alloc(33 * 1024 * 1024));
    s3.fault = ({ method }) =>
      method === 'completeUpload' ? new S3Error('busy', 'SlowDown', 'later', 503) : null;
    await replica.engine.cycle();
    expect(s3.uploads.size).to.equal(0);
    expect(replica.engine.status()).to.include({ pendingFiles: 1, pendingBytes: 33 * 1024 * 1024 });
  });

  function readEntries(): unknown[][] {
    return (JSON.parse(fs.readFileSync(`${replica.stateDir}/state.json`, 'utf8')) as { entries: unknown[][] })
      .entries;
  }

  function writeEntries(entries: unknown[][]): void {
    const file = `${replica.stateDir}/state.json`;
    const state = JSON.parse(fs.readFileSync(file, 'utf8')) as object;
    fs.writeFileSync(file, JSON.stringify({ ...state, entries }));
  }
});
