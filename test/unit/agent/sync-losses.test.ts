import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import path from 'node:path';
import { expect } from 'chai';
import { verifyIn } from '../../../controller/adapters/s3-receipts.js';
import { S3Error } from '../../../shared/s3/s3-error.js';
import { FakeS3, type Stored } from '../../fakes/s3.js';
import { eventually } from '../../support/swarm.js';
import { Replica } from '../../support/agent/replica.js';

const MINUTE = 60_000;
const soon = () => AbortSignal.timeout(5_000);

/** Ways in which a file could be lost although its last sync was confirmed. */
describe('agent: no file is lost', () => {
  let s3: FakeS3;
  let replica: Replica;
  let aheadMs: number;
  const run = { workspaceId: 'ws', runId: 'r1', prefix: '' };

  beforeEach(async () => {
    s3 = new FakeS3();
    aheadMs = 0;
    replica = new Replica(s3, { run, now: () => Date.now() + aheadMs });
    await replica.start();
  });
  afterEach(() => replica.dispose());

  const write = (name: string, content: string) => fs.writeFileSync(replica.at(name), content);
  const final = async (signal = soon()) => (await replica.engine.final(signal)).finalSync;
  const bucket = () =>
    Object.fromEntries(
      [...s3.objects]
        .filter(([key]) => !key.startsWith('.berth/'))
        .map(([key, { body }]) => [key, String(body)]),
    );
  /** Everything known here was read long after its last change. */
  async function settle(): Promise<void> {
    aheadMs += MINUTE;
    await replica.engine.cycle();
  }
  /** As after a power cut: the times are those that were noted, the content is not. */
  function cut(name: string, size: number): void {
    const { mtimeNs } = fs.statSync(replica.at(name), { bigint: true });
    fs.truncateSync(replica.at(name), size);
    touch(name, mtimeNs);
  }
  /** To whole seconds, which a number holds exactly. */
  function touch(name: string, mtimeNs: bigint): void {
    const seconds = Number(mtimeNs / 1_000_000_000n);
    fs.utimesSync(replica.at(name), seconds, seconds);
  }
  const wholeSeconds = (name: string) => touch(name, fs.statSync(replica.at(name), { bigint: true }).mtimeNs);

  describe('that cannot be read', () => {
    it('since its path is too long: the end is not confirmed', async () => {
      const start = process.cwd();
      try {
        process.chdir(replica.root);
        for (let depth = 0; depth < 22; depth++) {
          fs.mkdirSync('d'.repeat(200));
          process.chdir('d'.repeat(200));
        }
        fs.writeFileSync('thesis.txt', 'years of work');
      } finally {
        process.chdir(start);
      }
      await replica.engine.cycle();
      const status = replica.engine.status();
      const end = await final();
      // Node itself cannot remove it.
      execFileSync('rm', ['-rf', replica.at('d'.repeat(200))]);
      expect(status).to.include({ pendingFiles: 1, failed: 1 });
      expect(end).to.include({ ok: false, failed: 1 });
      expect(end.message).to.contain('ENAMETOOLONG');
    });

    it('since its name is not UTF-8, though another file has the name that stands for it', async () => {
      fs.writeFileSync(Buffer.concat([Buffer.from(replica.at('a')), Buffer.from([0xff])]), 'lost');
      write('a\ufffd', 'kept');
      expect(await final()).to.include({ ok: false, failed: 1 });
      expect(bucket()).to.deep.equal({ 'a\ufffd': 'kept' });
    });
  });

  it('for its name is in other letters than what .berthignore says', async () => {
    write('.berthignore', 'build\n*.log\n');
    write('BUILD', 'b');
    write('CHANGES.LOG', 'c');
    expect(await final()).to.include({ ok: true });
    expect(bucket()).to.include({ BUILD: 'b', 'CHANGES.LOG': 'c' });
  });

  it('for its name begins like those of downloads under way', async () => {
    write('.berth-tmp-notes', 'a user’s own');
    fs.mkdirSync(replica.at('.berth-tmp-folder'));
    write('.berth-tmp-folder/x', 'as well');
    expect(await final()).to.include({ ok: true });
    expect(bucket()).to.deep.equal({
      '.berth-tmp-notes': 'a user’s own',
      '.berth-tmp-folder/x': 'as well',
    });
  });

  it('that is changed the very moment a pull has given it its name', async () => {
    write('model', 'old');
    await settle();
    s3.seed('model', 'by another workspace');
    const place = fs.linkSync;
    try {
      // As another program that watches the folder.
      fs.linkSync = (from, to) => {
        place(from, to);
        fs.appendFileSync(to, ' and edited here');
      };
      syncBuiltinESMExports();
      await replica.engine.pull();
    } finally {
      fs.linkSync = place;
      syncBuiltinESMExports();
    }
    await settle();
    expect(await final()).to.include({ ok: true });
    expect(bucket()).to.deep.equal({ model: 'by another workspace and edited here' });
  });

  it('that is written to through a mapping, which shows in no time stamp as long as its page is dirty', async () => {
    // On a file system in memory, as /tmp may be, no write through a mapping shows at all.
    replica.dispose();
    replica = new Replica(s3, { run, now: () => Date.now() + aheadMs, folder: '/var/tmp' });
    await replica.start();
    write('array', 'x'.repeat(1024 * 1024));
    const mapping = `
import mmap, sys
file = open(sys.argv[1], 'r+b')
mapped = mmap.mmap(file.fileno(), 0)
for line in sys.stdin:
    mapped[0:6] = line.strip().encode()
    print(flush=True)`;
    const program = spawn('python3', ['-c', mapping, replica.at('array')]);
    const put = async (text: string) => {
      program.stdin.write(`${text}\n`);
      await once(program.stdout, 'data');
    };
    try {
      await put('first!');
      aheadMs += MINUTE;
      await replica.engine.cycle();
      expect(bucket()['array']?.slice(0, 6)).to.equal('first!');
      await put('second');
    } finally {
      program.stdin.end();
      await once(program, 'exit');
    }
    expect(await final()).to.include({ ok: true });
    expect(bucket()['array']?.slice(0, 6)).to.equal('second');
  });

  describe('in a power cut', () => {
    it('when the next restore is broken off: the whole one stays in the bucket until one ends', async () => {
      write('thesis', 'a year of work');
      wholeSeconds('thesis');
      await settle();
      await settle();
      cut('thesis', 0);
      await replica.open();
      const ended = AbortSignal.timeout(50);
      s3.fault = () => 'dropBefore';
      await replica.engine.restore(ended, () => undefined).catch(() => undefined);
      s3.fault = () => null;
      write('new', 'sent all the same');
      const giveUp = new AbortController();
      const ending = final(giveUp.signal);
      await eventually('the other one is sent', () => Promise.resolve('new' in bucket()));
      giveUp.abort();
      expect(await ending).to.include({ ok: false, failed: 1 });
      expect(bucket()).to.deep.equal({ thesis: 'a year of work', new: 'sent all the same' });
      await replica.start();
      expect(replica.tree()).to.include({ thesis: 'a year of work' });
      expect(await final()).to.include({ ok: true });
    });

    it('when it had been sent right after its last change', async () => {
      write('thesis', 'an hour of work');
      wholeSeconds('thesis');
      await replica.engine.cycle();
      cut('thesis', 0);
      await replica.start();
      expect(replica.tree()).to.deep.equal({ thesis: 'an hour of work' });
    });
  });

  describe('when the server loses what it had accepted', () => {
    /** What a rescue does with the volume of a run whose receipt did not hold. */
    async function rescued(): Promise<Record<string, string>> {
      await replica.start();
      const { receipt } = await final();
      const question = { ...run, target: { bucket: 'b', prefix: '' }, manifest: receipt ?? '' };
      expect((await verifyIn(s3, question)).kind).to.equal('verified');
      return bucket();
    }

    /** Two versions were sent, and only the first is there. */
    async function goBack(): Promise<void> {
      write('a', 'version 1');
      await settle();
      const older = s3.objects.get('a') as Stored;
      write('a', 'version 2');
      await settle();
      await settle();
      s3.objects.set('a', older);
    }

    for (const left of [19, 1])
      it(`but for ${left} of 20 objects: the last copies are sent again`, async () => {
        for (let n = 0; n < 20; n++) write(`f${n}`, `only copy ${n}`);
        await settle();
        await settle();
        await final();
        const disk = replica.tree();
        for (let n = left; n < 20; n++) s3.objects.delete(`f${n}`);
        expect(await rescued()).to.deep.equal(disk);
        expect(replica.tree()).to.deep.equal(disk);
      });

    it('before the receipt is written, and goes back to an older version of ours: both are kept', async () => {
      await goBack();
      expect(await final()).to.include({ ok: true });
      expect(Object.values(bucket()).sort()).to.deep.equal(['version 1', 'version 2']);
    });

    it('and goes back to an older version of ours before a start: both are kept', async () => {
      await goBack();
      const versions = Object.values(await rescued()).sort();
      expect(versions).to.deep.equal(['version 1', 'version 2']);
    });
  });

  it('of another writer, whose tool has taken our mark along when it renamed or rewrote an object', async () => {
    write('draft', 'a day of work');
    write('report', 'report v1');
    write('config', 'port: 1');
    await settle();
    const { body, metadata } = s3.objects.get('draft') as Stored;
    s3.seed('report', body, metadata);
    s3.objects.delete('draft');
    s3.seed('config', 'port: 2', s3.objects.get('config')?.metadata);
    write('report', 'report v2 from here');
    write('config', 'port: 3');
    await settle();
    expect(await final()).to.include({ ok: true });
    expect(Object.values(bucket()).sort()).to.include.members(
      ['a day of work', 'report v2 from here', 'port: 2', 'port: 3'].sort(),
    );
  });

  it('that has a new name and is still being written to: the old name stays until then', async () => {
    const size = 1024 * 1024;
    write('app.log', 'x'.repeat(size));
    await settle();
    fs.renameSync(replica.at('app.log'), replica.at('app.log.1'));
    const open = fs.openSync(replica.at('app.log.1'), 'a');
    const writing = setInterval(() => fs.writeSync(open, 'line\n'), 0);
    try {
      await replica.engine.cycle();
      expect(Object.keys(bucket())).to.have.lengthOf(1);
      for (let n = 0; n < 3; n++) await replica.engine.cycle();
    } finally {
      clearInterval(writing);
      fs.closeSync(open);
    }
    await final();
    expect(Object.keys(bucket())).to.deep.equal(['app.log.1']);
  });

  describe('nor held up', () => {
    it('by an emptied bucket with very many files', async () => {
      const known = {
        kind: 'file',
        etag: 'e',
        md5: '',
        size: 1,
        ino: 1n,
        mode: 0o644,
        readAtMs: 1e15,
      } as const;
      const { planRestore } = await import('../../../agent/sync/restore-plan.js');
      const { planPull } = await import('../../../agent/sync/pull-plan.js');
      const times = { mtimeNs: 1n, ctimeNs: 1n };
      const ids = Array.from({ length: 140_000 }, (_, n) => `f${n}`);
      const state = new Map(ids.map((id) => [id, { ...known, ...times }]));
      const disk = new Map(ids.map((id) => [id, { id, ...known, ...times }]));
      const view = { entries: new Map(), hidden: [], refused: [] };
      expect(planRestore(new Map(), state, disk, true).forget).to.have.lengthOf(140_000);
      expect(planPull(view, state, disk).forget).to.have.lengthOf(140_000);
    });

    for (const [kind, status] of [
      ['server', 500],
      ['busy', 503],
      ['busy', 429],
    ] as const)
      it(`by a server that answers ${status} to everything`, async () => {
        for (let n = 0; n < 500; n++) write(`f${n}`, 'x');
        s3.fault = () => new S3Error(kind, 'Trouble', 'not now', status);
        s3.calls = [];
        await replica.engine.cycle();
        expect(s3.calls.length).to.be.below(100);
      });

    it('by a link that leads nowhere that a system knows', async () => {
      s3.seed('bad', Buffer.from('a\0b'), { mode: '120777' });
      s3.seed('good', 'content');
      await replica.start();
      expect(replica.tree()).to.deep.equal({ good: 'content' });
      expect(replica.engine.status().refused).to.deep.equal({ count: 1, examples: ['bad'] });
    });

    it('by a key of another tool that we would write longer than a name may be', async () => {
      const key = `${'%E4%BD%A0'.repeat(27)}.html`;
      s3.seed(key, 'a page');
      await replica.start();
      expect(Object.values(replica.tree())).to.deep.equal(['a page']);
      expect(await final()).to.include({ ok: true, files: 1 });
      fs.rmSync(path.join(replica.root, Object.keys(replica.tree())[0] ?? ''));
      await replica.engine.cycle();
      expect(bucket()).to.deep.equal({});
    });

    it('by parts that nobody completes, after the agent was killed while it sent them', async () => {
      const fd = fs.openSync(replica.at('large'), 'w');
      fs.ftruncateSync(fd, 40 * 1024 * 1024);
      fs.closeSync(fd);
      s3.passing = ({ method }, leg) =>
        method === 'completeUpload' && leg === 'request' ? new Promise(() => undefined) : Promise.resolve();
      // The last save of the state is not just now.
      aheadMs += MINUTE;
      void replica.engine.cycle();
      const state = () => fs.readFileSync(path.join(replica.stateDir, 'state.json'), 'utf8');
      await eventually('its upload is noted', () =>
        Promise.resolve([...s3.uploads.keys()].some((upload) => state().includes(upload))),
      );
      s3 = new FakeS3(s3);
      replica.s3 = s3;
      await replica.start();
      expect(s3.uploads.size).to.equal(0);
      expect(await final()).to.include({ ok: true, files: 1 });
    });

    it('by a lock of git’s that is in the bucket', async () => {
      s3.seed('repo/.git/index.lock', '');
      s3.seed('repo/.git/HEAD', 'ref: refs/heads/main');
      const fresh = await new Replica(s3).start();
      expect(Object.keys(fresh.tree())).to.not.include('repo/.git/index.lock');
      await fresh.engine.pull();
      expect(Object.keys(fresh.tree())).to.not.include('repo/.git/index.lock');
      fresh.dispose();
    });
  });

  it('renames no folder whose marker’s name is a folder’s in the bucket, as in SeaweedFS', async () => {
    fs.mkdirSync(replica.at('x/y'), { recursive: true });
    await replica.engine.cycle();
    expect([...s3.objects.keys()]).to.include('.berth/d/x/y');
    for (const mode of [0o700, 0o755, 0o700]) {
      fs.chmodSync(replica.at('x'), mode);
      await replica.engine.cycle();
      expect(replica.tree()).to.deep.equal({ 'x/': '<dir>', 'x/y/': '<dir>' });
    }
    expect(await final()).to.include({ ok: true });
    const fresh = await new Replica(s3).start();
    expect(fs.statSync(fresh.at('x')).mode & 0o777).to.equal(0o700);
    fresh.dispose();
  });
});
