import { expect } from 'chai';
import { decodeCursor, encodeCursor } from '../../../api/services/cursor.js';

describe('list cursor', () => {
  it('gives back the id it was made of', () => {
    for (const id of ['a', 'my-workspace', 'x'.repeat(40)])
      expect(decodeCursor(encodeCursor(id))).to.equal(id);
  });

  it('is opaque and safe in a query', () =>
    expect(encodeCursor('my-workspace')).to.match(/^[A-Za-z0-9_-]+$/));

  const foreign = [
    '',
    'demo',
    '!!!',
    encodeCursor('../x'),
    encodeCursor(''),
    `${encodeCursor('a')}=`,
    '../../etc',
  ];
  for (const text of foreign) {
    it(`refuses ${JSON.stringify(text)}`, () => expect(decodeCursor(text)).to.equal(null));
  }
});
