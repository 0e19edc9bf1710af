import fs from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { expect } from 'chai';
import { FakeS3, type Call } from '../../fakes/s3.js';
import { Replica } from '../../support/agent/replica.js';

const MIB = 1024 * 1024;

describe('agent: sync of large files', function () {
  this.timeout(60_000);
  let s3: FakeS3;
  const replicas: Replica[] = [];
  beforeEach(() => {
    s3 = new FakeS3();
  });
  afterEach(() => replicas.splice(0).forEach((replica) => replica.dispose()));
  const started = () => {
    const replica = new Replica(s3);
    replicas.push(replica);
    return replica.start();
  };
  /** All of it is this byte, or null where it is a mixture. */
  const byteOf = (content: Buffer) =>
    content.equals(Buffer.alloc(content.length, content[0])) ? content[0] : null;
  const inBucket = () => [...s3.objects.values()].map(({ body }) => byteOf(body));

  it('keeps both where two make the same new one at the same time', async () => {
    const [one, two] = [await started(), await started()];
    fs.writeFileSync(one.at('large'), Buffer.alloc(33 * MIB, 1));
    fs.writeFileSync(two.at('large'), Buffer.alloc(33 * MIB, 2));
    let arrived: () => void = () => undefined;
    const both = new Promise<void>((resolve) => (arrived = resolve));
    let completing = 0;
    s3.passing = async ({ method }, leg) => {
      if (method !== 'completeUpload' || leg !== 'request') return;
      completing += 1;
      if (completing === 2) arrived();
      await both;
    };
    await Promise.all([one.engine.cycle(), two.engine.cycle()]);
    expect(inBucket()).to.have.members([1, 2]);
    expect(s3.uploads.size).to.equal(0);
    const conflicts = [one, two].map(({ engine }) => engine.status().conflicts);
    expect(conflicts).to.have.members([0, 1]);
    for (const { engine } of [one, two]) await engine.pull();
    for (const { root } of [one, two])
      expect(fs.readdirSync(root).map((name) => byteOf(fs.readFileSync(`${root}/${name}`)))).to.have.members([
        1, 2,
      ]);
  });

  it('never makes an object out of two versions of a file that changes between the parts', async () => {
    const replica = await started();
    const size = 65 * MIB;
    fs.writeFileSync(replica.at('large'), Buffer.alloc(size, 1));
    let part = 0;
    s3.passing = async ({ method }, leg) => {
      if (method !== 'putPart' || leg !== 'request' || ++part > 1) return;
      // Another time stamp than that of the first version.
      await pause(20);
      fs.writeFileSync(replica.at('large'), Buffer.alloc(size, 2));
    };
    await replica.engine.cycle();
    expect(inBucket(), 'nothing yet').to.deep.equal([]);
    expect(s3.uploads.size, 'what was sent of it').to.equal(0);
    expect(replica.engine.status()).to.include({ pendingFiles: 1, failed: 0 });
    await replica.engine.cycle();
    expect(inBucket()).to.deep.equal([2]);
  });

  it('holds no more in memory than it may, and sends a large one alone', async () => {
    const replica = await started();
    const size = (name: string) => (name === 'large' ? 33 : 8) * MIB;
    const names = [...Array.from({ length: 24 }, (_, i) => `f${i}`), 'large'];
    for (const name of names) {
      fs.writeFileSync(replica.at(name), '');
      fs.truncateSync(replica.at(name), size(name));
    }
    const underWay = new Map<Call, number>();
    let [most, besideLarge] = [0, 0];
    s3.passing = async (call, leg) => {
      if (call.method !== 'put') {
        besideLarge = Math.max(besideLarge, underWay.size);
      } else if (leg === 'answer') {
        underWay.delete(call);
      } else {
        underWay.set(call, size(call.key));
        most = Math.max(
          most,
          [...underWay.values()].reduce((sum, bytes) => sum + bytes, 0),
        );
        await pause(5);
      }
    };
    await replica.engine.cycle();
    expect(s3.objects.size).to.equal(names.length);
    expect(most).to.be.within(16 * MIB, 128 * MIB);
    expect(besideLarge).to.equal(0);
  });
});
