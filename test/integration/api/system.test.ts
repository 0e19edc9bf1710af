import { expect } from 'chai';
import { system, TestApi } from './support.js';

describe('system status and probes', () => {
  let api: TestApi;
  beforeEach(async () => (api = await TestApi.start()));
  afterEach(() => api.stop());

  const ready = () => api.call('GET', '/readyz', { authorization: null });
  const ago = (seconds: number) => new Date(Date.now() - seconds * 1000).toISOString();

  it('is alive whatever the others do', async () => {
    await api.write('system.json', '{');
    expect((await api.call('GET', '/healthz')).status).to.equal(200);
  });

  it('is ready while the controller runs and Docker answers it', async () => {
    await api.records.system.write(system({ updatedAt: ago(5) }));
    expect((await ready()).status).to.equal(200);
  });

  const unready: [string, () => Promise<void>, RegExp][] = [
    ['there is no status', async () => {}, /has not written its status yet/],
    ['the status is broken', () => api.write('system.json', '{'), /cannot be read/],
    [
      'the controller fell silent',
      () => api.records.system.write(system({ updatedAt: ago(16) })),
      /does not run/,
    ],
    ['its time is none', () => api.records.system.write(system({ updatedAt: 'soon' })), /does not run/],
    [
      'Docker is down',
      () =>
        api.records.system.write(
          system({ docker: { ok: false, version: null, message: 'connection refused' } }),
        ),
      /Docker does not answer.*connection refused/,
    ],
  ];
  for (const [name, arrange, words] of unready) {
    it(`is not ready, and says why, when ${name}`, async () => {
      await arrange();
      const { status, body } = await ready();
      expect([status, body.code]).to.deep.equal([503, 'BERTH_NOT_READY']);
      expect(body.detail).to.match(words);
    });
  }

  it('reads and takes declarations while Docker is down', async () => {
    await api.records.system.write(system({ docker: { ok: false, version: null, message: 'down' } }));
    expect((await api.start({ bucketId: 'demo', name: 'one' })).status).to.equal(202);
    expect((await api.call('GET', '/api/containers/one')).status).to.equal(200);
    expect((await api.call('GET', '/api/containers')).body.items).to.have.length(1);
    expect((await api.call('DELETE', '/api/containers/one')).status).to.equal(202);
  });

  it("shows the controller's status and its own (R7.5)", async () => {
    const written = system();
    await api.records.system.write(written);
    const { status, body } = await api.call('GET', '/api/system/status');
    expect(status).to.equal(200);
    const { api: own, ...rest } = body as { api?: { version: string; uptimeSeconds: number } };
    expect(rest).to.deep.equal({ ...written, stale: false });
    expect(own?.version).to.equal('1.2.3');
    // It has just begun.
    expect(own?.uptimeSeconds).to.be.within(0, 60);
  });

  it('says when the status is old', async () => {
    await api.records.system.write(system({ updatedAt: ago(60) }));
    const { status, body } = await api.call('GET', '/api/system/status');
    expect([status, body['stale']]).to.deep.equal([200, true]);
  });

  it('answers 503 while the controller has written none', async () => {
    const { status, body } = await api.call('GET', '/api/system/status');
    expect([status, body.code]).to.deep.equal([503, 'BERTH_NOT_READY']);
  });
});
