import { expect } from 'chai';
import { desired, stopped } from '../../unit/api/fixtures.js';
import { system, TestApi } from './support.js';

const MIB = 1024 ** 2;

describe('admission over the API (R7.3)', () => {
  let api: TestApi;
  beforeEach(async () => (api = await TestApi.start()));
  afterEach(() => api.stop());

  const free = (freeBytes: number, change = {}) =>
    api.records.system.write(system({ admission: { limitPercent: 90, freeBytes }, ...change }));
  const start = (change = {}) => api.start({ bucketId: 'demo', ...change });

  it('refuses a start for which there is no memory, with the numbers, and declares nothing', async () => {
    await free(200 * MIB);
    const { status, headers, body } = await start();
    expect(status).to.equal(503);
    expect(headers.get('retry-after')).to.equal('30');
    expect(body).to.deep.include({
      code: 'BERTH_CAPACITY',
      needBytes: 256 * MIB,
      freeBytes: 200 * MIB,
      limitPercent: 90,
      running: 1,
    });
    expect(await api.records.desired.ids()).to.deep.equal([]);
  });

  it('also to start a stopped one again', async () => {
    await api.records.desired.write('one', desired('one', { spec: { state: 'stopped' } }));
    await api.records.observed.write('one', stopped(desired('one', { spec: { state: 'stopped' } })));
    await free(0);
    const { status, body } = await api.call('POST', '/api/containers/one/start');
    expect([status, body.code]).to.deep.equal([503, 'BERTH_CAPACITY']);
  });

  it('lets a smaller one in', async () => {
    await free(200 * MIB);
    expect((await start({ resources: { memoryBytes: 128 * MIB } })).status).to.equal(202);
  });

  it('does not promise the same memory twice between two measurements', async () => {
    await free(600 * MIB);
    const statuses = await Promise.all([start(), start(), start()].map(async (one) => (await one).status));
    expect(statuses.sort()).to.deep.equal([202, 202, 503]);
    await free(600 * MIB, { updatedAt: new Date(Date.now() + 1).toISOString() });
    expect((await start()).status).to.equal(202);
  });

  it('refuses nothing while the controller’s word is missing or old: the declaration waits for it', async () => {
    expect((await start()).status).to.equal(202);
    await free(0, { updatedAt: new Date(Date.now() - 60_000).toISOString() });
    expect((await start()).status).to.equal(202);
  });

  it('a name that is taken is told first', async () => {
    await start({ name: 'mine' });
    await free(0);
    expect((await start({ name: 'mine' })).body.code).to.equal('BERTH_NAME_TAKEN');
  });
});
