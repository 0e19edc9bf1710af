import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { expect } from 'chai';
import { FakeS3, type Stored } from '../../fakes/s3.js';
import { KmsS3, OddListS3 } from '../../support/agent/odd-servers.js';
import { Replica } from '../../support/agent/replica.js';

const MINUTE = 60_000;
const MIB = 1024 * 1024;

describe('agent: the marks on its objects', () => {
  let s3: FakeS3;
  let replica: Replica;
  let aheadMs: number;

  async function started(server: FakeS3): Promise<void> {
    s3 = server;
    aheadMs = 0;
    const run = { workspaceId: 'ws', runId: 'r1', prefix: '' };
    replica = new Replica(s3, { run, now: () => Date.now() + aheadMs });
    await replica.start();
  }
  beforeEach(() => started(new FakeS3()));
  afterEach(() => execFileSync('rm', ['-rf', replica.base]));

  const write = (name: string, content: string | Buffer) => fs.writeFileSync(replica.at(name), content);
  const final = async () => (await replica.engine.final(AbortSignal.timeout(5_000))).finalSync;
  const keys = () => [...s3.objects.keys()].filter((key) => !key.startsWith('.berth/')).sort();
  async function settle(): Promise<void> {
    aheadMs += MINUTE;
    await replica.engine.cycle();
  }
  /** As by a tool that keeps an object's metadata when it changes the content. */
  function edit(key: string, content: string): void {
    const { metadata } = s3.objects.get(key) as Stored;
    s3.seed(key, content, { ...metadata, mtime: '1900000000' });
  }

  for (const content of ['port: 2', 'port: 2222'])
    for (const [how, look] of [
      ['a pull', () => replica.engine.pull()],
      ['a start', () => replica.start()],
      ['a last sync', () => final()],
    ] as const)
      it(`do not hide another tool's edit (${content}) from ${how}`, async () => {
        write('conf', 'port: 1');
        await settle();
        await settle();
        edit('conf', content);
        await look();
        await settle();
        fs.appendFileSync(replica.at('conf'), '\nhost: x');
        await settle();
        const versions = keys().map((key) => s3.text(key));
        expect(versions.some((version) => version?.startsWith(content))).to.equal(true);
      });

  for (const [name, server, change] of [
    ['after a change of the mode here', () => new FakeS3(), () => fs.chmodSync(replica.at('conf'), 0o600)],
    ['where ETags are no MD5s', () => new KmsS3(), () => undefined],
    [
      'when the state is lost',
      () => new FakeS3(),
      () => fs.writeFileSync(`${replica.stateDir}/state.json`, '{'),
    ],
  ] as const)
    for (const [how, look] of [
      ['a pull', () => replica.engine.pull()],
      ['a start', () => replica.start()],
      ['a last sync', () => final()],
    ] as const)
      it(`do not hide another tool's edit of the same size from ${how}, ${name}`, async () => {
        replica.dispose();
        await started(server());
        write('conf', 'port: 1');
        await settle();
        await settle();
        edit('conf', 'port: 2');
        change();
        await look();
        await settle();
        const [first = 'conf'] = fs.readdirSync(replica.root);
        fs.appendFileSync(replica.at(first), '\nhost: x');
        await settle();
        const versions = keys().map((key) => s3.text(key));
        expect(versions.some((version) => version?.startsWith('port: 2'))).to.equal(true);
      });

  it('make no copies where another tool renames our objects over each other', async () => {
    for (const name of ['log', 'log.1', 'log.2']) write(name, `of ${name}`);
    await settle();
    await settle();
    for (let day = 1; day <= 3; day++) {
      for (const [from, to] of [
        ['log.1', 'log.2'],
        ['log', 'log.1'],
      ] as const)
        s3.objects.set(to, s3.objects.get(from) as Stored);
      s3.seed('log', `of day ${day}`);
      aheadMs += MINUTE;
      await replica.engine.pull();
      await settle();
    }
    expect(keys()).to.deep.equal(['log', 'log.1', 'log.2']);
    expect(replica.tree()).to.deep.equal({ log: 'of day 3', 'log.1': 'of day 2', 'log.2': 'of day 1' });
  });

  it('make no copy of each edit of another tool', async () => {
    write('notes', 'x');
    await settle();
    await settle();
    for (let n = 1; n <= 5; n++) {
      edit('notes', 'edit '.repeat(n));
      aheadMs += MINUTE;
      await replica.engine.pull();
      await settle();
    }
    expect(keys()).to.deep.equal(['notes']);
    expect(replica.tree()).to.deep.equal({ notes: 'edit '.repeat(5) });
  });

  for (const [name, server] of [
    ['where ETags are MD5s', () => new FakeS3()],
    ['where they are none', () => new KmsS3()],
  ] as const)
    it(`tell a large file's own write whose answer was lost, ${name}, also if the file changes meanwhile`, async () => {
      replica.dispose();
      await started(server());
      write('db', Buffer.alloc(33 * MIB, 'A'));
      const { ino } = fs.statSync(replica.at('db'));
      let lost = 0;
      s3.fault = ({ method }) => {
        if (method !== 'completeUpload' || lost++ > 0) return null;
        const fd = fs.openSync(replica.at('db'), 'r+');
        fs.writeSync(fd, 'page', 0);
        fs.closeSync(fd);
        return 'dropAfter';
      };
      await settle();
      await settle();
      expect(lost).to.be.greaterThan(1);
      expect(keys()).to.deep.equal(['db']);
      expect(s3.text('db')?.slice(0, 5)).to.equal('pageA');
      expect(fs.statSync(replica.at('db')).ino, 'the file that a program has open').to.equal(ino);
    });

  it('keep a server that lists other ETags than it answers with from work without end', async () => {
    replica.dispose();
    await started(new OddListS3());
    write('small', 's');
    write('large', Buffer.alloc(33 * MIB, 'A'));
    await settle();
    await settle();
    for (let n = 0; n < 2; n++) {
      s3.calls = [];
      aheadMs += MINUTE;
      await replica.engine.pull();
      await settle();
      expect(s3.calls.filter(({ method }) => !['list', 'get'].includes(method))).to.deep.equal([]);
    }
    await replica.start();
    await settle();
    expect(await final()).to.include({ ok: true });
    expect(keys()).to.deep.equal(['large', 'small']);
  });

  it('are no matter for a name that nobody can look at, which stops nothing', async () => {
    write('thesis', 'years of work');
    const start = process.cwd();
    try {
      process.chdir(replica.root);
      while (process.cwd().length < 3_850) {
        fs.mkdirSync('d'.repeat(200));
        process.chdir('d'.repeat(200));
      }
      fs.writeFileSync(
        Buffer.concat([Buffer.from('x'), Buffer.from([0xe9]), Buffer.from('y'.repeat(240))]),
        '',
      );
    } finally {
      process.chdir(start);
    }
    await settle();
    expect(s3.text('thesis')).to.equal('years of work');
    expect(await final()).to.include({ ok: false });
  });
});
