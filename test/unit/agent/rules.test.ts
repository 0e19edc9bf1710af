import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { isRebuilt, patternRules, WorkspaceRules } from '../../../agent/sync/rules.js';

describe('agent: what is left out', () => {
  let root: string;
  let rules: WorkspaceRules;
  beforeEach(() => {
    root = mkdtempSync(path.join(tmpdir(), 'berth-rules-'));
    rules = new WorkspaceRules(root);
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  const say = (text: string) => {
    writeFileSync(path.join(root, '.berthignore'), text);
    rules.refresh();
  };

  it('is nothing without a file, but for what a lock file beside it can rebuild', () => {
    rules.refresh();
    expect(rules.leavesOut('build', true, ['build'])).to.equal(false);
    expect(rules.leavesOut('web/node_modules', true, ['node_modules', 'package-lock.json'])).to.equal(true);
    expect(rules.leavesOut('web/node_modules', true, ['node_modules', 'package.json'])).to.equal(false);
    expect(rules.leavesOut('node_modules', false, ['node_modules', 'yarn.lock'])).to.equal(false);
  });

  it('is what .berthignore says, in the syntax of gitignore', () => {
    say('# big\n*.iso\n/build/\n!keep.iso\ndocs/**/*.tmp\n');
    expect(rules.leavesOut('a/b.iso', false, [])).to.equal(true);
    expect(rules.leavesOut('a/keep.iso', false, [])).to.equal(false);
    expect(rules.leavesOut('build', true, [])).to.equal(true);
    expect(rules.leavesOut('build', false, [])).to.equal(false);
    expect(rules.leavesOut('a/build', true, [])).to.equal(false);
    expect(rules.leavesOut('docs/x/y.tmp', false, [])).to.equal(true);
  });

  it('follows the file when it changes, and when it goes', () => {
    say('*.log\n');
    expect(rules.leavesOut('a.log', false, [])).to.equal(true);
    say('*.txt\n');
    expect(rules.leavesOut('a.log', false, [])).to.equal(false);
    rmSync(path.join(root, '.berthignore'));
    rules.refresh();
    expect(rules.leavesOut('a.txt', false, [])).to.equal(false);
  });

  it('can be told to keep even what could be rebuilt', () => {
    say('!node_modules/\n');
    expect(rules.leavesOut('node_modules', true, ['package-lock.json'])).to.equal(false);
  });

  it('is never the file that says it', () => {
    say('*\n');
    expect(rules.leavesOut('.berthignore', false, [])).to.equal(false);
    expect(rules.leavesOut('other', false, [])).to.equal(true);
  });

  it('is not read through a link, which may lead to what only root may read', () => {
    const secret = path.join(root, 'secret');
    writeFileSync(secret, 'other\n');
    symlinkSync(secret, path.join(root, '.berthignore'));
    rules.refresh();
    expect(rules.leavesOut('other', false, [])).to.equal(false);
  });

  it('is what git holds only while it works, whatever .berthignore says', () => {
    say('!*.lock\n');
    for (const lock of [
      '.git/index.lock',
      'a/.git/refs/heads/x.lock',
      '.git/modules/m/HEAD.lock',
      '.git/gc.pid',
    ])
      expect(rules.leavesOut(lock, false, []), lock).to.equal(true);
    for (const file of ['yarn.lock', '.git/refs/heads/lock', 'a.git/index.lock', 'gc.pid'])
      expect(rules.leavesOut(file, false, []), file).to.equal(false);
  });

  it('has names that are no property of an object', () => {
    expect(isRebuilt('constructor', ['package-lock.json'])).to.equal(false);
  });

  it('can be fixed patterns', () => {
    const fixed = patternRules(['.cache/', '*.sock']);
    expect(fixed.leavesOut('.cache', true, [])).to.equal(true);
    expect(fixed.leavesOut('.cache', false, [])).to.equal(false);
    expect(fixed.leavesOut('a/b.sock', false, [])).to.equal(true);
  });
});
