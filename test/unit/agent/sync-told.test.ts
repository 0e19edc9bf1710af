import fs from 'node:fs';
import { Readable } from 'node:stream';
import { expect } from 'chai';
import { FakeS3 } from '../../fakes/s3.js';
import { Replica } from '../../support/agent/replica.js';
import { eventually } from '../../support/swarm.js';
import { recordedLog } from '../../support/recorded-log.js';

describe('agent: what a sync tells', () => {
  let s3: FakeS3;
  const replicas: Replica[] = [];
  beforeEach(() => {
    s3 = new FakeS3();
  });
  afterEach(() => replicas.splice(0).forEach((replica) => replica.dispose()));
  const made = (options: ConstructorParameters<typeof Replica>[1] = {}) => {
    const replica = new Replica(s3, options);
    replicas.push(replica);
    return replica;
  };

  it('is one line of log when trouble begins and one when it ends, however many cycles it lasts', async () => {
    const { log, lines } = recordedLog();
    const replica = await made({ log }).start();
    s3.fault = () => 'dropBefore';
    for (let cycle = 0; cycle < 10; cycle++) {
      // Each time other files are hit as well.
      fs.writeFileSync(replica.at(`f${cycle}`), 'x');
      await replica.engine.cycle();
    }
    expect(lines).to.deep.equal(['warn sync failed, work goes on']);
    s3.fault = () => null;
    for (let cycle = 0; cycle < 3; cycle++) await replica.engine.cycle();
    expect(lines).to.deep.equal(['warn sync failed, work goes on', 'info sync works again']);
    expect(s3.objects.size).to.equal(10);
  });

  it('counts and names the objects that cannot become files, until they are gone', async () => {
    const hostile = ['../outside', '/abs', 'a/../../b', 'nul\0', 'x//y'];
    for (const key of [...hostile, 'good']) s3.seed(key, 'x');
    const replica = await made().start();
    const told = () => {
      const { count, examples } = replica.engine.status().refused;
      return { count, examples: [...examples].sort() };
    };
    expect(told()).to.deep.equal({ count: 5, examples: hostile });
    s3.objects.delete('/abs');
    await replica.engine.pull();
    expect(told().count).to.equal(4);
    for (let i = 0; i < 20; i++) s3.seed(`more//${i}`, 'x');
    await replica.engine.pull();
    expect(told().count).to.equal(24);
    expect(told().examples).to.have.lengthOf(10);
  });

  it('is not that all is saved, as long as a name cannot be kept', async () => {
    const replica = await made({ run: { workspaceId: 'w', runId: 'r', prefix: '' } }).start();
    fs.writeFileSync(replica.at('good'), 'x');
    const name = Buffer.concat([Buffer.from(replica.at('bad-')), Buffer.from([0xff])]);
    fs.writeFileSync(name, 'only here');
    await replica.engine.cycle();
    expect(replica.engine.status()).to.include({ pendingFiles: 1, failed: 1 });
    const refused = await replica.engine.final(AbortSignal.timeout(60_000));
    expect(refused.exitCode).to.equal(76);
    expect(refused.finalSync).to.include({ ok: false, failed: 1 });
    expect(refused.finalSync.message).to.contain('not valid UTF-8');
    expect([...s3.objects.keys()], 'no receipt').to.deep.equal(['good']);
    fs.renameSync(name, replica.at('renamed'));
    const done = await replica.engine.final(AbortSignal.timeout(60_000));
    expect([done.exitCode, s3.text('renamed')]).to.deep.equal([0, 'only here']);
  });

  it('is nothing of what a killed download left: that is removed at the next start', async () => {
    const half = Buffer.alloc(300_000, 'x');
    for (const key of ['f', 'folder/f']) s3.seed(key, Buffer.concat([half, half]));
    const { bodyOf } = s3;
    // Half of each arrives, and then nothing more.
    s3.bodyOf = () => {
      const body = new Readable({ read: () => undefined }).on('error', () => undefined);
      body.push(half);
      return body;
    };
    const replica = await made().open();
    const kill = new AbortController();
    const killed = replica.engine.restore(kill.signal, () => undefined).catch(() => undefined);
    const leftovers = () => Object.keys(replica.tree()).filter((name) => name.includes('.berth-tmp-'));
    await eventually('both are under way', async () => leftovers().length === 2);
    s3.bodyOf = bodyOf;
    await replica.start();
    expect(Object.keys(replica.tree())).to.deep.equal(['f', 'folder/', 'folder/f']);
    expect(fs.statSync(replica.at('f')).size).to.equal(600_000);
    kill.abort();
    await killed;
  });
});
