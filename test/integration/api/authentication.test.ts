import { expect } from 'chai';
import { KEY, SECRET, TestApi } from './support.js';

describe('API authentication (R10)', () => {
  let api: TestApi;
  before(async () => (api = await TestApi.start()));
  after(() => api.stop());

  const refused: [string, string | null][] = [
    ['no header', null],
    ['an empty header', ''],
    ['another scheme', `Basic ${Buffer.from(KEY).toString('base64')}`],
    ['no scheme', KEY],
    ['no key', 'Bearer'],
    ['two keys', `Bearer ${KEY} ${KEY}`],
    ['a malformed key', 'Bearer nonsense'],
    ['the id alone', 'Bearer bktest_'],
    ['a wrong secret', `Bearer bktest_${'x'.repeat(24)}`],
    ['an unknown id', `Bearer bkother_${SECRET}`],
    ['a secret with more behind it', `Bearer ${KEY}a`],
    ['a huge key', `Bearer bktest_${'x'.repeat(8000)}`],
  ];
  for (const [name, authorization] of refused) {
    it(`answers 401 to ${name}`, async () => {
      const answer = await api.call('GET', '/api/containers', { authorization });
      expect(answer.status).to.equal(401);
      expect(answer.headers.get('www-authenticate')).to.equal('Bearer');
      expect(answer.headers.get('content-type')).to.match(/^application\/problem\+json/);
      expect(answer.body).to.deep.include({
        code: 'BERTH_UNAUTHENTICATED',
        status: 401,
        title: 'Unauthorized',
      });
    });
  }

  const guarded = [
    ['POST', '/api/containers/start'],
    ['GET', '/api/containers/one'],
    ['DELETE', '/api/containers/one'],
    ['GET', '/api/system/status'],
    ['GET', '/api'],
    ['GET', '/api/unknown'],
    ['PATCH', '/api/containers'],
    ['GET', '/API/containers'],
    ['GET', '/auth'],
  ] as const;
  for (const [method, path] of guarded) {
    it(`guards ${method} ${path}`, async () => {
      expect((await api.call(method, path, { authorization: null })).status).to.equal(401);
    });
  }

  it('does not look at the body of a stranger', async () => {
    const answer = await api.call('POST', '/api/containers/start', { authorization: null, raw: '{' });
    expect(answer.status).to.equal(401);
  });

  it('lets a valid key through, whatever the case of the scheme', async () => {
    for (const authorization of [`Bearer ${KEY}`, `bearer ${KEY}`, `BEARER  ${KEY}`]) {
      expect((await api.call('GET', '/api/containers', { authorization })).status).to.equal(200);
    }
  });

  it("answers the gateway's question at /auth", async () => {
    expect((await api.call('GET', '/auth')).status).to.equal(200);
    expect((await api.call('POST', '/auth')).status).to.equal(405);
  });

  it('asks for no key at the probes', async () => {
    expect((await api.call('GET', '/healthz', { authorization: null })).status).to.equal(200);
    expect((await api.call('GET', '/readyz', { authorization: null })).status).to.equal(503);
  });

  it('writes no key into the log, be it right or wrong, in the header or in the URL', async () => {
    await api.call('GET', `/api/containers?status=${KEY}`);
    await api.call('GET', '/api/containers', { authorization: `Bearer bktest_${'WrongSecret'.repeat(3)}` });
    const log = api.log.join('\n');
    expect(log).to.contain('"keyId":"bktest"');
    expect(log).to.not.contain(SECRET);
    expect(log).to.not.contain('WrongSecret');
  });
});
