import { expect } from 'chai';
import { decodeKey, encodePath, KeyError, Keyspace } from '../../../shared/bucket/keys.js';

describe('key codec', () => {
  const same = [
    'a/b.txt',
    'with space',
    'ünïcode/日本',
    '.git/HEAD',
    '100%',
    '+&=?#',
    'a:b*c',
    '.berthignore',
  ];
  for (const path of same) {
    it(`leaves ${JSON.stringify(path)} as it is`, () => {
      expect(encodePath(path)).to.equal(path);
      expect(decodeKey(path)).to.equal(path);
    });
  }

  const escaped: [string, string][] = [
    ['a\\b', 'a%5Cb'],
    ['new\nline', 'new%0Aline'],
    ['a%41', 'a%2541'],
    ['.berth/x', '%2Eberth/x'],
    ['d/.uploads/x', 'd/%2Euploads/x'],
    ['x.y.versions/z', 'x.y%2Eversions/z'],
  ];
  for (const [path, key] of escaped) {
    it(`escapes ${JSON.stringify(path)}`, () => {
      expect(encodePath(path)).to.equal(key);
      expect(decodeKey(key)).to.equal(path);
    });
  }

  it('takes escapes that it would not write literally', () => {
    expect(decodeKey('my%20file')).to.equal('my%20file');
    expect(decodeKey('%2E%2E/x')).to.equal('%2E%2E/x');
  });

  for (const key of ['../x', 'a/../b', './x', '/abs', 'a//b', 'nul\0', `${'x'.repeat(256)}`]) {
    it(`refuses the key ${JSON.stringify(key.slice(0, 20))}`, () => {
      expect(() => decodeKey(key)).to.throw(KeyError);
    });
  }

  it('refuses names that grow too long or are no Unicode', () => {
    expect(() => encodePath('\n'.repeat(90))).to.throw(KeyError);
    expect(() => encodePath('\ud800')).to.throw(KeyError);
    expect(() => new Keyspace('p').keyOf(`${'d'.repeat(200)}/`.repeat(6))).to.throw(KeyError);
  });

  it('puts everything below the prefix, folders below the markers, and hides what is reserved', () => {
    const keys = new Keyspace('/team/a/');
    expect(keys.keyOf('x/y')).to.equal('team/a/x/y');
    expect(keys.keyOf('x/')).to.equal('team/a/.berth/d/x');
    expect(keys.entryOf('team/a/.berth/d/x')).to.equal('x/');
    expect(keys.entryOf('team/a/folder/')).to.equal('folder/');
    expect(keys.entryOf('team/a/.berth/home/dev/.bashrc')).to.equal(null);
    expect(() => keys.entryOf('team/b/x')).to.throw(KeyError);
  });
});
