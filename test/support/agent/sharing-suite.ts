import fs from 'node:fs';
import { expect } from 'chai';
import type { Replica } from './replica.js';
import { testbed, type Server } from './testbed.js';

/** What several workspaces may expect of each other on one bucket, on any server that knows conditional writes. */
export function sharingSuite(name: string, serverFor: () => Server): void {
  describe(`agent: workspaces that share a bucket on ${name}`, () => {
    const { server, key, put, replace, started, inBucket } = testbed(serverFor);

    it('brings what others changed while it works, and nothing over a change of its own', async () => {
      const one = await started();
      for (const name of ['a', 'b', 'c', 'd/e']) {
        fs.mkdirSync(one.at('d'), { recursive: true });
        fs.writeFileSync(one.at(name), `${name} of one`);
      }
      await one.engine.cycle();
      const two = await started();
      fs.writeFileSync(one.at('a'), 'a changed', { mode: 0o600 });
      fs.rmSync(one.at('d'), { recursive: true });
      fs.writeFileSync(one.at('c'), 'c changed by one');
      fs.mkdirSync(one.at('new/empty'), { recursive: true });
      fs.writeFileSync(one.at('new/file'), 'new');
      await one.engine.cycle();
      fs.writeFileSync(two.at('c'), 'c changed by two');
      fs.writeFileSync(two.at('b'), 'b changed by two');
      expect(await two.engine.pull()).to.deep.equal({ succeeded: true, changed: true });
      expect(two.tree()).to.deep.equal({
        a: 'a changed',
        b: 'b changed by two',
        c: 'c changed by two',
        'new/': '<dir>',
        'new/empty/': '<dir>',
        'new/file': 'new',
      });
      await two.engine.cycle();
      const found = await inBucket();
      expect(found).to.include({
        a: 'a changed',
        b: 'b changed by two',
        c: 'c changed by one',
        'new/file': 'new',
      });
      expect(Object.values(found), 'in a conflict copy').to.include('c changed by two');
      expect(await two.engine.pull(), 'nothing new').to.deep.equal({ succeeded: true, changed: false });
    });

    it('keeps both versions when two workspaces change the same file', async () => {
      await put('f.txt', 'base');
      const [one, two] = [await started(), await started()];
      fs.writeFileSync(one.at('f.txt'), 'from one');
      fs.writeFileSync(two.at('f.txt'), 'from two!');
      await one.engine.cycle();
      await two.engine.cycle();
      expect((await inBucket())['f.txt']).to.equal('from one');
      const tree = two.tree();
      const copy = Object.keys(tree).find((path) => path.includes('.conflict-'));
      expect(copy).to.match(/^f\.conflict-\d{8}T\d{6}Z-[0-9a-f]{8}\.txt$/);
      expect(tree).to.deep.equal({ 'f.txt': 'from one', [copy ?? '']: 'from two!' });
      expect(await inBucket()).to.deep.equal(tree);
      await two.engine.cycle();
      expect(two.tree(), 'a conflict is settled once').to.deep.equal(tree);
    });

    it('sees no conflict where two workspaces write the same', async () => {
      const [one, two] = [await started(), await started()];
      for (const each of [one, two]) fs.writeFileSync(each.at('same'), 'same');
      await one.engine.cycle();
      await two.engine.cycle();
      expect(two.tree()).to.deep.equal({ same: 'same' });
      expect(await inBucket()).to.deep.equal({ same: 'same' });
    });

    it('lets a change beat a deletion, whoever makes which', async () => {
      await put('a', 'base');
      await put('b', 'base');
      const [one, two] = [await started(), await started()];
      fs.rmSync(one.at('a'));
      fs.writeFileSync(one.at('b'), 'changed by one');
      await one.engine.cycle();
      fs.writeFileSync(two.at('a'), 'changed by two');
      fs.rmSync(two.at('b'));
      await two.engine.cycle();
      expect(await inBucket()).to.deep.equal({ a: 'changed by two', b: 'changed by one' });
      expect(two.tree()).to.deep.equal({ a: 'changed by two', b: 'changed by one' });
    });

    it('keeps what a surviving volume has alone, takes what is new, and removes nothing', async () => {
      const one = await started();
      for (const path of ['stays', 'edited', 'deleted', 'remote-edit', 'remote-gone'])
        fs.writeFileSync(one.at(path), path);
      await one.engine.cycle();
      fs.writeFileSync(one.at('edited'), 'edited while the agent was away');
      fs.writeFileSync(one.at('new'), 'new');
      fs.rmSync(one.at('deleted'));
      await replace('remote-edit', 'by another');
      await put('remote-new', 'by another');
      const gone = await server().s3.head(key('remote-gone'));
      await server().s3.remove(key('remote-gone'), { kind: 'match', etag: gone?.etag ?? '' });
      // Past the racy window, or "clean" could not be told from "just changed".
      one.engine = await settled(one);
      await one.engine.restore(new AbortController().signal, () => undefined);
      await one.engine.cycle();
      const expected = {
        stays: 'stays',
        edited: 'edited while the agent was away',
        new: 'new',
        'remote-edit': 'by another',
        // It may be the last copy.
        'remote-gone': 'remote-gone',
        'remote-new': 'by another',
      };
      expect(one.tree()).to.deep.equal(expected);
      expect(await inBucket()).to.deep.equal(expected);
    });
  });
}

/** The same volume, with its entries no longer racy. */
async function settled(replica: Replica) {
  const file = `${replica.stateDir}/state.json`;
  const state = JSON.parse(fs.readFileSync(file, 'utf8')) as { entries: unknown[][] };
  const READ_AT = 9;
  for (const entry of state.entries) entry[READ_AT] = Number(entry[READ_AT]) + 10_000;
  fs.writeFileSync(file, JSON.stringify(state));
  return (await replica.open()).engine;
}
