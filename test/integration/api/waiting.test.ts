import { rm } from 'node:fs/promises';
import path from 'node:path';
import { expect } from 'chai';
import type { Desired } from '../../../shared/model/desired.js';
import type { Observed } from '../../../shared/model/observed.js';
import { observed, stopped } from '../../unit/api/fixtures.js';
import { eventually, pause, TestApi, type Answer } from './support.js';

describe('waiting for a workspace', () => {
  let api: TestApi;
  beforeEach(async () => (api = await TestApi.start()));
  afterEach(() => api.stop());

  async function declared(id: string): Promise<Desired | null> {
    const read = await api.records.desired.read(id);
    return read.kind === 'valid' ? read.value : null;
  }

  /** Plays the controller: answers to the declaration once it is there. */
  async function observe(id: string, make: (desired: Desired) => Observed): Promise<void> {
    await eventually(async () => (await declared(id)) !== null, 'a declaration');
    // The waiter shall be woken, not find it at its first look.
    await pause(50);
    await api.records.observed.write(id, make((await declared(id)) as Desired));
  }

  describe('POST ?wait', () => {
    const start = (query = '?wait=20') => api.start({ bucketId: 'demo', name: 'one' }, query);

    it('answers 201 with the view once it runs', async () => {
      const waiting = start();
      await observe('one', (desired) => observed(desired));
      const { status, body, headers } = await waiting;
      expect([status, body.status]).to.deep.equal([201, 'running']);
      expect(headers.get('location')).to.equal('/api/containers/one');
      expect(body.urls?.web).to.equal('https://one-web.berth.localhost');
    });

    it('waits through intermediate states', async () => {
      let answer: Answer | null = null;
      const waiting = start().then((given) => (answer = given));
      await observe('one', (desired) => observed(desired, { phase: 'starting', startedAt: null }));
      await pause(300);
      expect(answer).to.equal(null);
      await observe('one', (desired) => observed(desired));
      expect((await waiting).status).to.equal(201);
    });

    it('answers within milliseconds of the change, not at the next look', async () => {
      const took: number[] = [];
      for (let i = 0; i < 9; i++) {
        const name = `n${i}`;
        const waiting = api.start({ bucketId: 'demo', name }, '?wait=20').then(() => performance.now());
        await observe(name, (desired) => observed(desired));
        const written = performance.now();
        took.push((await waiting) - written);
      }
      const median = took.sort((a, b) => a - b)[4] ?? Infinity;
      expect(median, `median of ${took.map((ms) => ms.toFixed(1)).join(', ')} ms`).to.be.below(50);
    });

    it('is asked for with the Prefer header too', async () => {
      const options = { body: { bucketId: 'demo', name: 'one' }, headers: { Prefer: 'wait=20' } };
      const waiting = api.call('POST', '/api/containers/start', options);
      await observe('one', (desired) => observed(desired));
      expect((await waiting).status).to.equal(201);
    });

    it('answers the error that stopped it, with the view (R1.6)', async () => {
      const waiting = start();
      const message = 'NoSuchBucket: there is no bucket "demo".';
      await observe('one', (desired) => stopped(desired, { shutdownReason: 'StartFailed', message }));
      const { status, body } = await waiting;
      expect([status, body.code, body.detail]).to.deep.equal([503, 'BERTH_START_FAILED', message]);
      expect(body.workspace).to.deep.include({
        containerId: 'one',
        status: 'stopped',
        shutdownReason: 'StartFailed',
      });
    });

    it('does not take the record of an earlier workspace of the same name for its own', async () => {
      let answer: Answer | null = null;
      const waiting = start('?wait=5').then((given) => (answer = given));
      await observe('one', (desired) =>
        observed({ ...desired, metadata: { ...desired.metadata, uid: 'earlier' } }),
      );
      await pause(300);
      expect(answer).to.equal(null);
      expect((await waiting).status).to.equal(202);
    });

    it('answers the error when it is deleted meanwhile', async () => {
      const waiting = start();
      await observe('one', (desired) => observed(desired, { phase: 'starting' }));
      await api.call('DELETE', '/api/containers/one');
      await observe('one', (desired) => stopped(desired));
      const { status, body } = await waiting;
      expect([status, body.code]).to.deep.equal([503, 'BERTH_START_FAILED']);
      expect(body.workspace?.shutdownReason).to.equal('UserRequest');
    });

    it('answers the error when its file is removed before the controller saw it', async () => {
      const waiting = start();
      await eventually(async () => (await declared('one')) !== null, 'a declaration');
      await rm(path.join(api.stateDir, 'desired/one.yaml'));
      const { status, body } = await waiting;
      expect([status, body.code]).to.deep.equal([503, 'BERTH_START_FAILED']);
    });

    it('answers 202 with the view as it is when the time is over', async () => {
      const began = performance.now();
      const { status, body, headers } = await start('?wait=1');
      expect([status, body.status]).to.deep.equal([202, 'starting']);
      expect(headers.get('location')).to.equal('/api/containers/one');
      expect(performance.now() - began).to.be.at.least(950);
    });

    it('sees the change without a watcher too', async () => {
      await rm(path.join(api.stateDir, 'observed'), { recursive: true });
      const waiting = start();
      await eventually(async () => (await declared('one')) !== null, 'a declaration');
      await api.records.observed.prepare();
      await observe('one', (desired) => observed(desired));
      expect((await waiting).status).to.equal(201);
    });

    it('ends when the client goes away; the declaration stays', async () => {
      let watching: AbortSignal | null = null;
      const { observed: source } = api.records;
      const watch = source.watch.bind(source);
      source.watch = (onChange, signal) => watch(onChange, (watching = signal));
      const leaving = new AbortController();
      const options = { body: { bucketId: 'demo', name: 'one' }, signal: leaving.signal };
      const waiting = api
        .call('POST', '/api/containers/start?wait=300', options)
        .catch((error: Error) => error.name);
      await eventually(async () => (await declared('one')) !== null, 'a declaration');
      leaving.abort();
      expect(await waiting).to.equal('AbortError');
      await eventually(
        () => api.log.some((line) => line.includes('"aborted":true')),
        'the end of the request',
      );
      await eventually(() => watching?.aborted === true, 'the end of the wait');
      expect((await declared('one'))?.metadata.deletionRequestedAt).to.equal(undefined);
    });

    it('does not begin to wait for a client that left while the declaration was written', async () => {
      const leaving = new AbortController();
      const { desired } = api.records;
      const write = desired.write.bind(desired);
      desired.write = async (...args) => {
        leaving.abort();
        await eventually(
          () => api.log.some((line) => line.includes('"aborted":true')),
          'the client to be gone',
        );
        return write(...args);
      };
      const looks: string[] = [];
      const read = desired.read.bind(desired);
      desired.read = (id) => (looks.push(id), read(id));
      const options = { body: { bucketId: 'demo', name: 'one' }, signal: leaving.signal };
      await api.call('POST', '/api/containers/start?wait=300', options).catch(() => null);
      await eventually(() => looks.length >= 3, 'the looks');
      await pause(700);
      // One look whether the name is free, one as the wait begins and ends, one for the links in the view.
      expect(looks).to.have.length(3);
    });

    it('serves many that wait at once', async () => {
      const names = Array.from({ length: 40 }, (_, i) => `w${i}`);
      const waiting = names.map((name) => api.start({ bucketId: 'demo', name }, '?wait=20'));
      await Promise.all(names.map((name) => observe(name, (desired) => observed(desired))));
      const statuses = (await Promise.all(waiting)).map(({ status }) => status);
      expect(new Set(statuses)).to.deep.equal(new Set([201]));
    });
  });

  describe('DELETE ?wait', () => {
    beforeEach(async () => {
      await api.start({ bucketId: 'demo', name: 'one' });
      await observe('one', (desired) => observed(desired));
    });
    const remove = (query = '?wait=20') => api.call('DELETE', `/api/containers/one${query}`);
    const isDeleted = async () => (await declared('one'))?.metadata.deletionRequestedAt !== undefined;

    it('answers 200 with the view once it is stopped', async () => {
      const waiting = remove();
      await eventually(isDeleted, 'the deletion');
      const finalSync = { ok: true, at: '2026-01-02T04:00:00.000Z', files: 1, bytes: 2, failed: 0 };
      await observe('one', (desired) => stopped(desired, { finalSync }));
      const { status, body } = await waiting;
      expect([status, body.status, body.shutdownReason]).to.deep.equal([200, 'stopped', 'UserRequest']);
      expect(body.finalSync).to.deep.equal(finalSync);
    });

    it('answers 202 when the time is over', async () => {
      const { status, body } = await remove('?wait=1');
      expect([status, body.status]).to.deep.equal([202, 'stopping']);
    });

    it('is over when the record is archived', async () => {
      const waiting = remove();
      await eventually(isDeleted, 'the deletion');
      await api.records.observed.remove('one');
      await api.records.desired.remove('one');
      const { status, body } = await waiting;
      expect([status, body.status]).to.deep.equal([200, 'stopped']);
    });

    it('is over when the name belongs to a new workspace', async () => {
      const waiting = remove();
      await eventually(isDeleted, 'the deletion');
      const old = (await declared('one')) as Desired;
      await api.records.desired.write('one', { ...old, metadata: { id: 'one', uid: 'newer', labels: {} } });
      const { status, body } = await waiting;
      expect([status, body.status]).to.deep.equal([200, 'stopped']);
    });
  });

  it('ends for everybody when the program ends, with what there is', async () => {
    const stopping = new AbortController();
    const other = await TestApi.start({ stopping: stopping.signal });
    try {
      const waiting = other.start({ bucketId: 'demo', name: 'one' }, '?wait=300');
      await eventually(async () => (await other.records.desired.ids()).length === 1, 'a declaration');
      stopping.abort();
      expect((await waiting).status).to.equal(202);
    } finally {
      await other.stop();
    }
  });
});
