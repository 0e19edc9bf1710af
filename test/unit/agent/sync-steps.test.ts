import fs from 'node:fs';
import { expect } from 'chai';
import { FakeS3 } from '../../fakes/s3.js';
import { Replica } from '../../support/agent/replica.js';

describe('agent: the steps of a cycle', () => {
  let s3: FakeS3;
  let replica: Replica;
  /** Ahead of the system's clock, so that what was just written is not read again for being just written. */
  let aheadMs: number;
  /** Happens after the walk, before anything is opened; once. */
  let afterWalk: () => void;

  beforeEach(async () => {
    s3 = new FakeS3();
    aheadMs = 0;
    afterWalk = () => undefined;
    const now = () => {
      const happens = afterWalk;
      afterWalk = () => undefined;
      happens();
      return Date.now() + aheadMs;
    };
    replica = new Replica(s3, { now });
    await replica.start();
  });
  afterEach(() => replica.dispose());

  const bucket = () => Object.fromEntries([...s3.objects].map(([key, { body }]) => [key, body.toString()]));
  const write = (...names: string[]) => {
    for (const name of names) fs.writeFileSync(replica.at(name), `content of ${name}`);
  };
  const cycle = async () => {
    s3.calls = [];
    await replica.engine.cycle();
    return s3.calls.map(({ method, key }) => `${method} ${key}`);
  };

  it('are as many requests as there are changes, and none without', async () => {
    fs.mkdirSync(replica.at('folder'));
    const names = Array.from({ length: 60 }, (_, i) => (i % 2 === 0 ? `f${i}` : `folder/f${i}`));
    write(...names);
    expect(await cycle()).to.have.lengthOf(60);
    aheadMs = 10_000;
    expect(await cycle(), 'read once more, and found unchanged').to.deep.equal([]);
    expect(await cycle()).to.deep.equal([]);
    aheadMs = 20_000;
    for (const name of ['f0', 'f2', 'folder/f1', 'folder/f3']) fs.appendFileSync(replica.at(name), '!');
    write('new1', 'new2', 'folder/new');
    for (const name of ['f4', 'folder/f5', 'folder/f7']) fs.rmSync(replica.at(name));
    expect(await cycle()).to.have.members([
      ...['f0', 'f2', 'folder/f1', 'folder/f3', 'new1', 'new2', 'folder/new'].map((key) => `put ${key}`),
      ...['f4', 'folder/f5', 'folder/f7'].map((key) => `remove ${key}`),
    ]);
    expect(bucket()).to.deep.equal(
      Object.fromEntries(Object.entries(replica.tree()).filter(([name]) => name !== 'folder/')),
    );
  });

  it('go on without a new file that is gone before it is opened', async () => {
    write('a', 'gone', 'z');
    afterWalk = () => fs.rmSync(replica.at('gone'));
    await cycle();
    expect(replica.engine.status(), 'no failure').to.include({ pendingFiles: 1, failed: 0, error: null });
    expect(Object.keys(bucket())).to.have.members(['a', 'z']);
    expect(await cycle()).to.deep.equal([]);
    expect(replica.engine.status()).to.include({ pendingFiles: 0, failed: 0, error: null });
  });

  it('go on without a folder that is gone before its files are opened', async () => {
    fs.mkdirSync(replica.at('folder'));
    write('a', 'folder/f', 'z');
    afterWalk = () => fs.rmSync(replica.at('folder'), { recursive: true });
    await cycle();
    expect(replica.engine.status()).to.include({ failed: 0, error: null });
    expect(Object.keys(bucket())).to.have.members(['a', 'z']);
  });

  it('delete one in the bucket that was changed and is gone before it is opened', async () => {
    write('a', 'old', 'z');
    await cycle();
    fs.appendFileSync(replica.at('old'), '!');
    fs.appendFileSync(replica.at('z'), '!');
    afterWalk = () => fs.rmSync(replica.at('old'));
    expect(await cycle()).to.deep.equal(['put z']);
    expect(await cycle()).to.deep.equal(['remove old']);
    expect(bucket()).to.deep.equal(replica.tree());
  });
});
