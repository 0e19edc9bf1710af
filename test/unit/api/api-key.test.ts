import { expect } from 'chai';
import { BCRYPT_HASH, formatApiKey, newApiKey, parseApiKey } from '../../../api/auth/api-key.js';

const SECRET = 'abcdefghijklmnop';

describe('API key', () => {
  it('is made as bk and 8 of base32, "_", and 32 letters and digits', () => {
    for (let i = 0; i < 200; i++) {
      expect(formatApiKey(newApiKey())).to.match(/^bk[a-z2-7]{8}_[A-Za-z0-9]{32}$/);
    }
  });

  it('is parsed into what it was made of', () => {
    const key = newApiKey();
    expect(parseApiKey(formatApiKey(key))).to.deep.equal(key);
  });

  it('draws each character equally likely: bytes past the last whole multiple do not count', () => {
    // 248 = 4 × 62: were it taken modulo 62, it would be a "0".
    const bytes = [Buffer.alloc(8, 0), Buffer.alloc(32, 248), Buffer.alloc(32, 61)];
    expect(newApiKey(() => bytes.shift() ?? Buffer.alloc(0)).secret).to.equal('z'.repeat(32));
  });

  it('ends the id at the first "_"', () => {
    expect(parseApiKey(`a_b_${SECRET}`)).to.deep.equal({ id: 'a', secret: `b_${SECRET}` });
  });

  const malformed = {
    'empty text': '',
    'no separator': SECRET,
    'no id': `_${SECRET}`,
    'no secret': 'bk1_',
    'short secret': 'bk1_abc',
    'secret beyond what bcrypt looks at': `bk1_${'a'.repeat(73)}`,
    'blank inside': `bk1_abcdefgh ijklmnop`,
    'line break at the end': `bk1_${SECRET}\n`,
    'id with a slash': `../a_${SECRET}`,
    'id that is too long': `${'a'.repeat(33)}_${SECRET}`,
  };
  for (const [name, text] of Object.entries(malformed)) {
    it(`is none: ${name}`, () => expect(parseApiKey(text)).to.equal(null));
  }

  it('takes bcrypt hashes of a bearable cost only', () => {
    const hash = (cost: string) => `$2b$${cost}$${'a'.repeat(53)}`;
    expect(hash('10')).to.match(BCRYPT_HASH);
    for (const wrong of [hash('31'), hash('03'), `${hash('10')}a`, 'plain'])
      expect(wrong).to.not.match(BCRYPT_HASH);
  });
});
