import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect } from 'chai';
import { desired, stopped } from '../../unit/api/fixtures.js';
import { TestApi } from './support.js';

const ARCHIVED_AT = '2026-01-03T04:00:00.000Z';

describe('archived workspaces over the API (R6.6)', () => {
  let api: TestApi;
  beforeEach(async () => {
    api = await TestApi.start();
    for (const id of ['one', 'three', 'two'])
      await api.records.archive.add({
        archivedAt: ARCHIVED_AT,
        observed: stopped(desired(id), { id }),
        report: null,
      });
  });
  afterEach(() => api.stop());

  it('are listed when asked for, in pages, and nowhere else', async () => {
    expect((await api.call('GET', '/api/containers?status=all')).body.items).to.deep.equal([]);
    const first = (await api.call('GET', '/api/containers?status=archived&limit=2')).body;
    const rest = (await api.call('GET', `/api/containers?status=archived&cursor=${first.nextCursor}`)).body;
    const ids = [...(first.items ?? []), ...(rest.items ?? [])].map(({ containerId }) => containerId);
    expect(ids).to.deep.equal(['one', 'three', 'two']);
    expect((await api.call('GET', '/api/containers?status=archived,stopped')).status).to.equal(400);
  });

  it('can be read by their id, as they ended', async () => {
    const { status, body } = await api.call('GET', '/api/containers/one');
    expect(status).to.equal(200);
    expect(body).to.deep.include({
      status: 'stopped',
      archivedAt: ARCHIVED_AT,
      shutdownReason: 'UserRequest',
      bucketId: 'demo',
    });
    expect((await api.call('GET', '/api/containers/one/events')).status).to.equal(200);
    expect((await api.call('DELETE', '/api/containers/one')).status).to.equal(200);
    expect(await api.records.desired.ids()).to.deep.equal([]);
  });

  it('start again with the same id', async () => {
    const { status, body } = await api.call('POST', '/api/containers/one/start');
    expect(status).to.equal(202);
    expect(body).to.deep.include({ containerId: 'one', status: 'starting', archivedAt: null });
    const read = await api.records.desired.read('one');
    expect(read.kind === 'valid' && read.value.metadata.deletionRequestedAt).to.equal(undefined);
  });

  it('give their name to a new one, which hides them', async () => {
    const body = { bucketId: 'other', name: 'one', image: 'berth/testspace' };
    expect((await api.call('POST', '/api/containers/start', { body })).status).to.equal(202);
    expect((await api.call('GET', '/api/containers/one')).body).to.deep.include({
      bucketId: 'other',
      archivedAt: null,
    });
  });

  it('do not fail a list when one of them is broken', async () => {
    await mkdir(path.join(api.stateDir, 'archive/2026-01'), { recursive: true });
    await writeFile(path.join(api.stateDir, 'archive/2026-01/broken.20260102T040000000Z.json'), '{');
    const { status, body } = await api.call('GET', '/api/containers?status=archived');
    expect([status, body.items?.length]).to.deep.equal([200, 3]);
    expect((await api.call('GET', '/api/containers/broken')).status).to.equal(404);
    expect(api.log.join()).to.contain('archived record is unreadable');
  });
});
