import { expect } from 'chai';
import { readApiSettings } from '../../../api/settings.js';

const HASH = `$2b$10$${'a'.repeat(53)}`;

describe('settings of the API', () => {
  it('have the defaults of the contract', () => {
    expect(readApiSettings({})).to.deep.include({
      BERTH_API_PORT: 8080,
      BERTH_DOMAIN: 'berth.localhost',
      BERTH_STATE_DIR: '/var/lib/berth',
      BERTH_ALLOWED_IMAGES: ['berth/workspace', 'berth/testspace'],
      BERTH_DEFAULT_IMAGE: 'berth/workspace',
    });
  });

  it('take keys from the environment', () => {
    const { BERTH_API_KEYS: keys } = readApiSettings({ BERTH_API_KEYS: `a:${HASH}, b:${HASH},` });
    expect([...keys]).to.deep.equal([
      ['a', HASH],
      ['b', HASH],
    ]);
  });

  it('refuse a malformed key without repeating it', () => {
    const read = () => readApiSettings({ BERTH_API_KEYS: `a:${HASH},b:clear-text-secret` });
    expect(read).to.throw(/BERTH_API_KEYS: entry 2/);
    expect(read).to.not.throw(/clear-text-secret/);
  });

  it('refuse a default image that is not allowed', () => {
    expect(() => readApiSettings({ BERTH_ALLOWED_IMAGES: 'berth/testspace' })).to.throw(
      /BERTH_DEFAULT_IMAGE/,
    );
  });
});
