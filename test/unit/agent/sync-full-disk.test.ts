import fs from 'node:fs';
import { Readable } from 'node:stream';
import { syncBuiltinESMExports } from 'node:module';
import { expect } from 'chai';
import { FakeS3 } from '../../fakes/s3.js';
import { Replica } from '../../support/agent/replica.js';

const full = () => Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
const { writeFileSync, promises } = fs;
const { open } = promises;

/**
 * What is written to a file that was just made finds no room: by a descriptor at once, by a handle after its
 * first bytes. Nothing else is touched, since a real full disk needs a mount, hence root.
 */
function fillDisk(): void {
  fs.writeFileSync = (file, ...rest) => {
    if (typeof file === 'number') throw full();
    writeFileSync(file, ...rest);
  };
  promises.open = async (...given) => {
    const handle = await open(...given);
    const write = handle.write.bind(handle) as (...args: unknown[]) => Promise<unknown>;
    let written = 0;
    return Object.assign(handle, {
      write: (...args: unknown[]) => (written++ === 0 ? write(...args) : Promise.reject(full())),
    });
  };
  syncBuiltinESMExports();
}

function makeRoom(): void {
  fs.writeFileSync = writeFileSync;
  promises.open = open;
  syncBuiltinESMExports();
}

describe('agent: sync on a full disk', () => {
  const large = Buffer.alloc(600_000, 'x').toString();
  let s3: FakeS3;
  let replica: Replica;

  beforeEach(async () => {
    s3 = new FakeS3();
    s3.bodyOf = (_key, content) => Readable.from([content.subarray(0, 300_000), content.subarray(300_000)]);
    replica = new Replica(s3, { now: () => Date.now() + 10_000 });
    await replica.start();
    fs.writeFileSync(replica.at('small'), 'old');
    fs.writeFileSync(replica.at('large'), 'old');
    await replica.engine.cycle();
  });
  afterEach(() => {
    makeRoom();
    replica.dispose();
  });

  for (const [name, content] of [
    ['small', 'new'],
    ['large', large],
  ] as const)
    it(`leaves a ${name} file as it was that others have changed, says so, and brings it once there is room`, async () => {
      s3.seed(name, content);
      fillDisk();
      expect(await replica.engine.pull()).to.deep.equal({ succeeded: false, changed: true });
      expect(replica.engine.status().error).to.contain('ENOSPC');
      expect(await replica.engine.pull(), 'no news').to.deep.equal({ succeeded: false, changed: false });
      expect(replica.tree(), 'nothing lost, and nothing left over').to.deep.equal({
        small: 'old',
        large: 'old',
      });
      await replica.engine.cycle();
      expect(s3.text(name)).to.equal(content);
      makeRoom();
      expect(await replica.engine.pull()).to.deep.equal({ succeeded: true, changed: true });
      expect(replica.engine.status().error).to.equal(null);
      expect(replica.tree()).to.deep.equal({ small: 'old', large: 'old', [name]: content });
    });

  it('keeps both versions of a conflict, though only one of them finds room', async () => {
    s3.seed('large', large);
    fs.writeFileSync(replica.at('large'), 'mine');
    fillDisk();
    await replica.engine.cycle();
    await replica.engine.cycle();
    const [copy, ...others] = [...s3.objects.keys()].filter((key) => key.includes('.conflict-'));
    expect(others).to.deep.equal([]);
    expect([s3.text('large'), s3.text(copy ?? '')]).to.deep.equal([large, 'mine']);
    expect(replica.tree()).to.deep.equal({ small: 'old', [copy ?? '']: 'mine' });
    makeRoom();
    await replica.start();
    await replica.engine.cycle();
    expect(replica.tree()).to.deep.equal({ small: 'old', large, [copy ?? '']: 'mine' });
    expect(s3.objects.size).to.equal(3);
  });
});
