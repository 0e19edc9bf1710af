import fs from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { toFileStat } from '../../../agent/sync/entry.js';
import { ifAbsent, ifUnchanged, removeUnchanged } from '../../../agent/sync/place.js';

describe('agent: files in a folder that a user works in', () => {
  let folder: string;

  beforeEach(() => {
    folder = fs.mkdtempSync(path.join(tmpdir(), 'berth-place-'));
    fs.writeFileSync(at('.new'), 'theirs');
    fs.writeFileSync(at('file'), 'known');
  });
  afterEach(() => fs.rmSync(folder, { recursive: true }));

  const at = (name: string) => path.join(folder, name);
  const statOf = (name: string) => toFileStat(fs.lstatSync(at(name), { bigint: true }));
  const content = () =>
    Object.fromEntries(fs.readdirSync(folder).map((name) => [name, fs.readFileSync(at(name), 'utf8')]));

  it('take the place of the version that is known', () => {
    ifUnchanged(statOf('file'))(at('.new'), at('file'));
    expect(content()).to.deep.equal({ file: 'theirs' });
  });

  it('go when they are the version that is known', () => {
    removeUnchanged(at('file'), at('.aside'), statOf('file'));
    expect(content()).to.deep.equal({ '.new': 'theirs' });
  });

  const edits: Record<string, () => void> = {
    'written to': () => fs.appendFileSync(at('file'), ', changed'),
    'given another mode': () => fs.chmodSync(at('file'), 0o700),
    'replaced in one step': () => {
      fs.writeFileSync(at('other'), 'known');
      fs.renameSync(at('other'), at('file'));
    },
    'given other times': () => fs.utimesSync(at('file'), 1, 1),
  };
  for (const [what, edit] of Object.entries(edits)) {
    it(`stay when they were ${what} meanwhile`, () => {
      const known = statOf('file');
      edit();
      const before = content();
      expect(() => ifUnchanged(known)(at('.new'), at('file')))
        .to.throw()
        .with.property('code', 'EEXIST');
      expect(() => removeUnchanged(at('file'), at('.aside'), known))
        .to.throw()
        .with.property('code', 'EEXIST');
      expect(content()).to.deep.equal(before);
    });
  }

  it('leave a folder alone that took the name', () => {
    const known = statOf('file');
    fs.rmSync(at('file'));
    fs.mkdirSync(at('file'));
    fs.writeFileSync(at('file/inside'), 'kept');
    expect(() => ifUnchanged(known)(at('.new'), at('file'))).to.throw();
    expect(() => ifAbsent(at('.new'), at('file'))).to.throw();
    expect(fs.readFileSync(at('file/inside'), 'utf8')).to.equal('kept');
  });
});
