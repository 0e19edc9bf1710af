import fs from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import { expect } from 'chai';
import type { S3Port } from '../../../shared/s3/s3-port.js';
import { testbed, type Server } from './testbed.js';

/** Bad input, from the bucket and from the disk: told, and in nobody's way. */
export function inputSuite(name: string, serverFor: () => Server): void {
  describe(`agent: bad input on ${name}`, () => {
    const { server, key, put, started, inBucket } = testbed(serverFor);

    /** An object as no agent of ours would make it; some servers refuse some of them, which is as good. */
    const plant = (path: string, body: string, metadata: Record<string, string> = {}) =>
      server()
        .s3.put(key(path), Buffer.from(body), metadata, { kind: 'absent' })
        .then(
          () => true,
          () => false,
        );

    it('opens the rest of a bucket with keys that lead out or cannot be files', async () => {
      for (const path of ['../outside', 'a/../../b', '/abs', 'x//y', 'nul\0', `long/${'n'.repeat(300)}`])
        await plant(path, 'evil');
      await put('link', '../../outside');
      expect(await plant('pointing-out', '../../outside', { mode: '120777' })).to.equal(true);
      expect(await plant('pointing-out/through', 'evil')).to.be.a('boolean');
      await put('good', 'good');
      const one = await started();
      const { good, link } = one.tree();
      expect({ good, link }).to.deep.equal({ good: 'good', link: '../../outside' });
      expect(fs.readdirSync(one.base), 'nothing outside').to.have.members(['ws', 'home']);
      const before = await inBucket();
      await one.engine.cycle();
      expect(await inBucket(), 'nothing that was refused is deleted').to.deep.equal(before);
    });

    it('counts and names a thousand objects that cannot be decoded, and opens the rest', async function () {
      this.timeout(60_000);
      const numbers = Array.from({ length: 1_000 }, (_, number) => number);
      // Links that point nowhere: no content at all.
      for (let from = 0; from < numbers.length; from += 50) {
        const some = numbers.slice(from, from + 50);
        const made = await Promise.all(some.map((n) => plant(`bad/${n}`, '', { mode: '120777' })));
        expect(made).not.to.include(false);
      }
      for (let i = 0; i < 10; i++) await put(`good/${i}`, String(i));
      const one = await started();
      expect(Object.keys(one.tree()).filter((path) => !path.endsWith('/'))).to.have.lengthOf(10);
      const { refused, error, files } = one.engine.status();
      expect([refused.count, refused.examples.length, error, files]).to.deep.equal([1_000, 10, null, 10]);
      expect(refused.examples[0]).to.match(/bad\/\d+$/);
      fs.writeFileSync(one.at('work'), 'goes on');
      await one.engine.pull();
      const { exitCode } = await one.engine.final(AbortSignal.timeout(20_000));
      expect([exitCode, one.engine.status().refused.count]).to.deep.equal([0, 1_000]);
      const kept = Object.keys(await inBucket()).filter((path) => path.startsWith('bad/'));
      expect(kept).to.have.lengthOf(1_000);
    });

    /** Runs `work` in the middle of each write of a file. */
    const whileWriting = (work: () => void): S3Port =>
      new Proxy(server().s3, {
        get: (target, method: keyof S3Port) =>
          method !== 'put'
            ? (target[method] as (...args: unknown[]) => unknown).bind(target)
            : async (...args: Parameters<S3Port['put']>) => {
                const answer = target.put(...args);
                await turn();
                work();
                return answer;
              },
      });

    it('takes a file that vanishes while it is sent for a deletion', async () => {
      const one = await started(whileWriting(() => fs.rmSync(one.at('f'), { force: true })));
      fs.writeFileSync(one.at('f'), 'short life');
      await one.engine.cycle();
      await one.engine.cycle();
      expect([await inBucket(), one.tree()]).to.deep.equal([{}, {}]);
      expect(one.engine.status()).to.include({ pendingFiles: 0, error: null });
    });

    it('sends again what grew while it was sent', async () => {
      let times = 3;
      const one = await started(whileWriting(() => times-- > 0 && fs.appendFileSync(one.at('log'), 'more ')));
      fs.writeFileSync(one.at('log'), 'begun ');
      for (let i = 0; i < 5; i++) await one.engine.cycle();
      expect(await inBucket()).to.deep.equal({ log: 'begun more more more ' });
    });

    it('sends what is there when a file becomes a folder while it is sent, and back', async () => {
      let step = 0;
      const one = await started(
        whileWriting(() => {
          step += 1;
          if (step > 2) return;
          fs.rmSync(one.at('x'), { recursive: true });
          if (step === 2) return fs.writeFileSync(one.at('x'), 'file again');
          fs.mkdirSync(one.at('x'));
          fs.writeFileSync(one.at('x/inside'), 'folder now');
        }),
      );
      fs.writeFileSync(one.at('x'), 'file');
      for (let i = 0; i < 5; i++) await one.engine.cycle();
      expect(one.tree()).to.deep.equal({ x: 'file again' });
      expect(await inBucket()).to.deep.equal({ x: 'file again' });
      expect(one.engine.status()).to.include({ pendingFiles: 0, conflicts: 0, error: null });
    });
  });
}
