import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { expect } from 'chai';
import { recorded, testbed, type Server } from './testbed.js';

/** What the sync engine must do on any server that knows conditional writes. */
export function syncSuite(name: string, serverFor: () => Server): void {
  describe(`agent: sync on ${name}`, () => {
    const { server, key, put, started, inBucket } = testbed(serverFor);

    it('restores a bucket that other tools filled', async () => {
      await put('readme.md', '# hello');
      await put('src/deep/a b.txt', 'x');
      await put('empty.txt', '');
      await put('my%20file', 'literal');
      const one = await started();
      expect(one.tree()).to.deep.equal({
        'empty.txt': '',
        'my%20file': 'literal',
        'readme.md': '# hello',
        'src/': '<dir>',
        'src/deep/': '<dir>',
        'src/deep/a b.txt': 'x',
      });
      expect(fs.lstatSync(one.at('readme.md')).mode & 0o777).to.equal(0o644);
      await one.engine.cycle();
      expect(Object.keys(await inBucket())).to.have.members([
        'readme.md',
        'src/deep/a b.txt',
        'empty.txt',
        'my%20file',
      ]);
    });

    it('sends new, changed, renamed and deleted files, and nothing when nothing changed', async () => {
      const one = await started();
      fs.mkdirSync(one.at('d'));
      fs.writeFileSync(one.at('d/a'), 'one');
      fs.writeFileSync(one.at('b'), 'two');
      await one.engine.cycle();
      expect(await inBucket()).to.deep.equal({ 'd/a': 'one', b: 'two' });
      fs.writeFileSync(one.at('b'), 'two changed');
      fs.renameSync(one.at('d/a'), one.at('d/c'));
      await one.engine.cycle();
      expect(await inBucket()).to.deep.equal({ 'd/c': 'one', b: 'two changed' });
      fs.rmSync(one.at('d'), { recursive: true });
      await one.engine.cycle();
      expect(await inBucket()).to.deep.equal({ b: 'two changed' });
      expect(one.engine.status()).to.include({ files: 1, pendingFiles: 0, failed: 0, error: null });
    });

    it('leaves out what .berthignore says, and a changed rule never deletes what is in the bucket', async () => {
      const one = await started();
      fs.writeFileSync(one.at('notes.log'), 'kept before the rule');
      fs.mkdirSync(one.at('app/node_modules/x'), { recursive: true });
      fs.writeFileSync(one.at('app/package-lock.json'), '{}');
      fs.writeFileSync(one.at('app/node_modules/x/index.js'), 'rebuilt');
      await one.engine.cycle();
      expect(Object.keys(await inBucket())).to.have.members(['notes.log', 'app/package-lock.json']);
      expect(one.engine.status().leftOut).to.deep.equal({ count: 1, examples: ['app/node_modules'] });

      fs.writeFileSync(one.at('.berthignore'), '*.log\n');
      fs.writeFileSync(one.at('notes.log'), 'changed under the rule');
      fs.writeFileSync(one.at('more.log'), 'never sent');
      await one.engine.cycle();
      const bucket = await inBucket();
      expect(bucket['notes.log']).to.equal('kept before the rule');
      expect(bucket['.berthignore']).to.equal('*.log\n');
      expect(bucket).not.to.have.property('more.log');

      fs.rmSync(one.at('.berthignore'));
      await one.engine.cycle();
      const after = await inBucket();
      expect(after['notes.log']).to.equal('changed under the rule');
      expect(after['more.log']).to.equal('never sent');
    });

    it('removes nothing from the disk at a start because the bucket lacks it', async () => {
      for (const path of ['data/big.csv', 'other', 'third']) await put(path, 'content');
      const one = await started();
      fs.writeFileSync(one.at('.berthignore'), 'data/\n');
      await one.engine.cycle();
      for (const path of ['data/big.csv', 'other']) {
        const etag = (await server().s3.head(key(path)))?.etag ?? '';
        await server().s3.remove(key(path), { kind: 'match', etag });
      }
      await one.start();
      expect(Object.keys(one.tree())).to.include.members(['data/big.csv', 'other', 'third']);
    });

    it('brings back what a power cut left empty or half, with the times that it had', async () => {
      for (const path of ['empty', 'half', 'whole']) await put(path, 'content');
      const one = await started();
      const cut = (path: string, size: number) => {
        const { mtime } = fs.statSync(one.at(path));
        fs.truncateSync(one.at(path), size);
        fs.utimesSync(one.at(path), mtime, mtime);
      };
      cut('empty', 0);
      cut('half', 3);
      await one.start();
      await one.engine.cycle();
      const { empty, half, whole, ...kept } = one.tree();
      expect([empty, half, whole]).to.deep.equal(['content', 'content', 'content']);
      expect(Object.values(kept), 'what was left of the half').to.deep.equal(['con']);
      expect(await inBucket()).to.deep.include({ empty: 'content', half: 'content', whole: 'content' });
    });

    it('sends a link that took the place of a large folder with the last sync', async () => {
      const one = await started();
      fs.mkdirSync(one.at('data'));
      for (let i = 0; i < 110; i++) fs.writeFileSync(one.at('data', `f${i}`), `${i}`);
      await one.engine.cycle();
      fs.rmSync(one.at('data'), { recursive: true });
      fs.symlinkSync('/elsewhere', one.at('data'));
      const { exitCode } = await one.engine.final(AbortSignal.timeout(20_000));
      expect(exitCode).to.equal(0);
      expect(await inBucket()).to.deep.equal({ data: '/elsewhere' });
    });

    it('takes a file that was shortened by its user for what it is', async () => {
      await put('notes', 'content');
      const one = await started();
      fs.truncateSync(one.at('notes'), 0);
      await one.start();
      await one.engine.cycle();
      expect(await inBucket()).to.deep.equal({ notes: '' });
    });

    it('carries no lock of git to another volume, and removes one that a dead process left', async () => {
      const one = await started();
      fs.mkdirSync(one.at('.git'));
      fs.writeFileSync(one.at('.git/HEAD'), 'ref: refs/heads/main');
      fs.writeFileSync(one.at('.git/index.lock'), 'half an index');
      await one.engine.cycle();
      expect(Object.keys(await inBucket())).to.deep.equal(['.git/HEAD']);
      const two = await started();
      expect(Object.keys(two.tree())).to.deep.equal(['.git/', '.git/HEAD']);
      await one.start();
      expect(Object.keys(one.tree())).to.deep.equal(['.git/', '.git/HEAD']);
    });

    it('keeps a folder of which nothing but left-out files is there', async () => {
      const one = await started();
      fs.writeFileSync(one.at('.berthignore'), '*.o\n');
      fs.mkdirSync(one.at('out'));
      fs.writeFileSync(one.at('out/a.o'), 'x');
      await one.engine.cycle();
      const two = await started();
      expect(two.tree()).to.deep.equal({ '.berthignore': '*.o\n', 'out/': '<dir>' });
    });

    it('keeps a folder of which nothing but a pipe is there', async () => {
      const one = await started();
      fs.mkdirSync(one.at('run'));
      execFileSync('mkfifo', [one.at('run/pipe')]);
      await one.engine.cycle();
      expect(one.engine.status()).to.include({ special: 1, pendingFiles: 0 });
      const two = await started();
      expect(two.tree()).to.deep.equal({ 'run/': '<dir>' });
    });

    it('makes a file of each name of a hard link, and counts the names', async () => {
      const one = await started();
      fs.mkdirSync(one.at('d'));
      fs.writeFileSync(one.at('a'), 'shared');
      fs.linkSync(one.at('a'), one.at('b'));
      fs.linkSync(one.at('a'), one.at('d/c'));
      fs.symlinkSync('a', one.at('link'));
      await one.engine.cycle();
      expect(one.engine.status()).to.include({ hardLinks: 2, pendingFiles: 0 });
      expect(await inBucket()).to.deep.equal({ a: 'shared', b: 'shared', 'd/c': 'shared', link: 'a' });
      fs.rmSync(one.at('b'));
      fs.rmSync(one.at('d/c'));
      await one.engine.cycle();
      expect(one.engine.status().hardLinks).to.equal(0);
    });

    it('makes no request in a quiet cycle, nor for a touch', async () => {
      const { s3, calls } = recorded(server().s3);
      const one = await started(s3);
      fs.writeFileSync(one.at('a'), 'a');
      fs.mkdirSync(one.at('empty'));
      await one.engine.cycle();
      calls.length = 0;
      await one.engine.cycle();
      fs.utimesSync(one.at('a'), 1, 1);
      await one.engine.cycle();
      expect(calls).to.deep.equal([]);
    });

    it('carries modes, times, links, empty folders and awkward names to another volume', async () => {
      const one = await started();
      const names = [
        'sp ace',
        'ünï',
        '日本語',
        'a\\b',
        'new\nline',
        '.hidden',
        '100%',
        'a%41',
        '+&=?#',
        'n'.repeat(255),
      ];
      for (const odd of names) fs.writeFileSync(one.at(odd), odd);
      fs.mkdirSync(one.at('.uploads/x.versions'), { recursive: true });
      fs.writeFileSync(one.at('.uploads/x.versions/f'), 'hidden from LIST on some servers');
      fs.mkdirSync(one.at('.berth'));
      fs.writeFileSync(one.at('.berth/mine'), 'the user’s own');
      fs.writeFileSync(one.at('run.sh'), '#!/bin/sh', { mode: 0o755 });
      fs.utimesSync(one.at('run.sh'), 1_600_000_000, 1_600_000_000.25);
      fs.symlinkSync('../../etc/passwd', one.at('link'));
      fs.mkdirSync(one.at('private'), { mode: 0o700 });
      fs.mkdirSync(one.at('empty/deep'), { recursive: true });
      await one.engine.cycle();
      expect(one.engine.status()).to.include({ pendingFiles: 0, error: null });
      const two = await started();
      expect(two.tree()).to.deep.equal(one.tree());
      expect(fs.lstatSync(two.at('run.sh')).mode & 0o777).to.equal(0o755);
      expect(fs.lstatSync(two.at('run.sh')).mtimeMs).to.equal(1_600_000_000_250);
      expect(fs.lstatSync(two.at('private')).mode & 0o777).to.equal(0o700);
      const { s3, calls } = recorded(server().s3);
      two.s3 = s3;
      await two.open();
      await two.engine.cycle();
      expect(calls, 'after a restore there is nothing to send').to.deep.equal([]);
    });

    it('follows the mode of a folder to and fro, though servers take its marker for a folder of their own', async () => {
      const one = await started();
      fs.mkdirSync(one.at('repo/refs/tags'), { recursive: true });
      fs.mkdirSync(one.at('repo/hooks'));
      fs.writeFileSync(one.at('repo/HEAD'), 'main');
      await one.engine.cycle();
      const tree = one.tree();
      for (const mode of [0o700, 0o755, 0o750, 0o700]) {
        fs.chmodSync(one.at('repo'), mode);
        fs.chmodSync(one.at('repo/refs'), mode);
        await one.engine.cycle();
        expect(one.tree()).to.deep.equal(tree);
        expect(one.engine.status()).to.include({ pendingFiles: 0, conflicts: 0, error: null });
      }
      const two = await started();
      expect(two.tree()).to.deep.equal(tree);
      for (const folder of ['repo', 'repo/refs'])
        expect(fs.lstatSync(two.at(folder)).mode & 0o777).to.equal(0o700);
    });

    it('sends a changed mode, and follows a file that becomes a folder and back', async () => {
      const one = await started();
      fs.writeFileSync(one.at('x'), 'file');
      await one.engine.cycle();
      fs.chmodSync(one.at('x'), 0o700);
      await one.engine.cycle();
      expect((await server().s3.head(key('x')))?.metadata.mode).to.equal('100700');
      fs.rmSync(one.at('x'));
      fs.mkdirSync(one.at('x'));
      fs.writeFileSync(one.at('x/y'), 'inside');
      await one.engine.cycle();
      expect(await inBucket()).to.deep.equal({ 'x/y': 'inside' });
      fs.rmSync(one.at('x'), { recursive: true });
      fs.symlinkSync('nowhere', one.at('x'));
      await one.engine.cycle();
      expect(await inBucket()).to.deep.equal({ x: 'nowhere' });
    });

    it('takes a write that a crash left unrecorded for its own', async () => {
      const one = await started();
      fs.writeFileSync(one.at('f'), 'v1');
      await one.engine.cycle();
      const before = fs.readFileSync(`${one.stateDir}/state.json`);
      fs.writeFileSync(one.at('f'), 'v2 sent');
      fs.writeFileSync(one.at('g'), 'g sent');
      await one.engine.cycle();
      // The crash: the state on the disk is the one before the cycle.
      fs.writeFileSync(`${one.stateDir}/state.json`, before);
      fs.writeFileSync(one.at('f'), 'v3 after the crash');
      await one.start();
      await one.engine.cycle();
      expect(one.tree()).to.deep.equal({ f: 'v3 after the crash', g: 'g sent' });
      expect(await inBucket()).to.deep.equal(one.tree());
    });

    it('never takes a new empty volume for a deletion', async () => {
      const one = await started();
      fs.writeFileSync(one.at('precious'), 'p');
      await one.engine.cycle();
      fs.renameSync(one.root, `${one.root}-old`);
      fs.mkdirSync(one.root);
      await one.engine.cycle();
      expect(one.engine.status().error).to.contain('another volume');
      await one.start();
      await one.engine.cycle();
      expect(one.tree()).to.deep.equal({ precious: 'p' });
      expect(await inBucket()).to.deep.equal({ precious: 'p' });
    });

    it('holds a mass deletion back for one cycle', async () => {
      const one = await started();
      for (let i = 0; i < 120; i++) fs.writeFileSync(one.at(`f${i}`), String(i));
      await one.engine.cycle();
      for (let i = 0; i < 120; i++) fs.rmSync(one.at(`f${i}`));
      await one.engine.cycle();
      expect(Object.keys(await inBucket())).to.have.lengthOf(120);
      await one.engine.cycle();
      expect(await inBucket()).to.deep.equal({});
    });

    it('sends large files in parts, and recognises them by content', async function () {
      this.timeout(60_000);
      const { s3, calls } = recorded(server().s3);
      const one = await started(s3);
      const large = randomBytes(33 * 1024 * 1024);
      fs.writeFileSync(one.at('large'), large);
      await one.engine.cycle();
      expect(calls.filter((call) => call === 'putPart')).to.have.lengthOf(3);
      calls.length = 0;
      fs.utimesSync(one.at('large'), 5, 5);
      await one.engine.cycle();
      expect(calls).to.deep.equal([]);
      const two = await started();
      expect(fs.readFileSync(two.at('large')).equals(large)).to.equal(true);
      fs.writeFileSync(two.at('large'), 'small now');
      await two.engine.cycle();
      fs.appendFileSync(one.at('large'), 'x');
      await one.engine.cycle();
      expect(Object.keys(one.tree())).to.have.lengthOf(2);
      expect(fs.readFileSync(one.at('large'), 'utf8')).to.equal('small now');
    });

    it('says how the final sync went', async () => {
      const one = await started();
      fs.writeFileSync(one.at('last'), 'words');
      const { finalSync, exitCode } = await one.engine.final(AbortSignal.timeout(5_000));
      expect(exitCode).to.equal(0);
      expect(finalSync).to.include({ ok: true, files: 1, bytes: 5, failed: 0 });
      expect(await inBucket()).to.deep.equal({ last: 'words' });
    });
  });
}
