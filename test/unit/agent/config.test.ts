import { expect } from 'chai';
import { readConfig } from '../../../agent/config.js';

const complete = {
  BERTH_WORKSPACE_ID: 'w1',
  BERTH_RUN_ID: 'r1',
  BERTH_BUCKET: 'demo',
  AWS_ACCESS_KEY_ID: 'id',
  AWS_SECRET_ACCESS_KEY: 'secret',
  BERTH_API_URL: 'http://berth-gateway:7070',
  BERTH_AGENT_TOKEN: 'token',
};

describe('agent: settings', () => {
  it('has defaults for everything that is not the workspace’s own', () => {
    const config = readConfig({ ...complete, BERTH_PREFIX: '', AWS_ENDPOINT_URL_S3: '' });
    expect(config).to.include({
      BERTH_PREFIX: '',
      BERTH_S3_CREATE_BUCKET: false,
      AWS_ENDPOINT_URL_S3: undefined,
      BERTH_SYNC_INTERVAL: 15,
      BERTH_STOP_GRACE: 300,
      BERTH_WEB_PORT: 3000,
      BERTH_WORKSPACE_DIR: '/workspace',
      BERTH_STATE_HOME: '/home',
    });
  });

  const wrong: [string, Record<string, string | undefined>][] = [
    ['BERTH_BUCKET', { BERTH_BUCKET: undefined }],
    ['AWS_ENDPOINT_URL_S3', { AWS_ENDPOINT_URL_S3: 'not a url' }],
    ['BERTH_SYNC_INTERVAL', { BERTH_SYNC_INTERVAL: '-1' }],
    ['BERTH_WEB_PORT', { BERTH_WEB_PORT: '70000' }],
    ['BERTH_WORKSPACE_DIR', { BERTH_WORKSPACE_DIR: 'relative' }],
  ];
  for (const [name, change] of wrong) {
    it(`names ${name} when it is wrong, and no value`, () => {
      const read = () => readConfig({ ...complete, ...change });
      expect(read).to.throw(name);
      expect(read).not.to.throw('token');
    });
  }
});
