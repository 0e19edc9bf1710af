import { mkdir, mkdtemp, readFile, readdir, rm, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { openAuditFile } from '../../../api/audit-file.js';
import { readApiSettings } from '../../../api/settings.js';
import winston from 'winston';
import { desired } from '../../unit/api/fixtures.js';
import { eventually, KEY, memoryLogger, SECRET, TestApi } from './support.js';

describe('Who did what', () => {
  describe('is noted', () => {
    let api: TestApi;
    beforeEach(async () => (api = await TestApi.start()));
    afterEach(() => api.stop());

    it('of each change and of each refusal, with nothing secret, and not of looks', async () => {
      await api.records.desired.write('one', desired('one'));
      await api.call('GET', '/api/containers');
      await api.call('DELETE', `/api/containers/one?force=true`, { headers: { 'X-Request-Id': 'r1' } });
      await api.call('DELETE', '/api/containers/two');
      await api.call('GET', '/api/containers', { authorization: `Bearer ${KEY}wrong` });
      await api.start({ bucketId: 'UPPER', note: 'a-secret' });
      const told = () =>
        api.audited.map(({ keyId, method, path: route, status }) => [keyId, method, route, status]);
      await eventually(() => api.audited.length === 4, 'four entries');
      expect(told()).to.deep.equal([
        ['bktest', 'DELETE', '/api/containers/one', 202],
        ['bktest', 'DELETE', '/api/containers/two', 404],
        [null, 'GET', '/api/containers', 401],
        ['bktest', 'POST', '/api/containers/start', 400],
      ]);
      expect(api.audited[0]?.requestId).to.equal('r1');
      expect(api.audited[0]?.client).to.match(/127\.0\.0\.1$/);
      expect(JSON.stringify(api.audited)).not.to.contain(SECRET).and.not.to.contain('a-secret');
    });

    it('of who gives a key to the form, and of paths only their beginning', async () => {
      const headers = { 'Content-Type': 'application/x-www-form-urlencoded' };
      const raw = new URLSearchParams({ to: 'https://one-code.berth.localhost/', key: KEY }).toString();
      await api.call('POST', '/login', { authorization: null, raw, headers });
      await api.call('GET', `/api/${'x'.repeat(5000)}`, { authorization: null });
      await eventually(() => api.audited.length === 2, 'two entries');
      expect(api.audited.map(({ keyId }) => keyId)).to.deep.equal(['bktest', null]);
      expect(api.audited[1]?.path).to.have.length(200);
    });

    it('under the address that the gateway tells', async () => {
      const headers = { 'X-Forwarded-For': '203.0.113.9' };
      await api.call('DELETE', '/api/containers/two', { headers });
      await eventually(() => api.audited.length === 1, 'an entry');
      expect(api.audited[0]?.client).to.equal('203.0.113.9');
    });
  });

  it('is kept in files of bounded size, the newest in the first', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'berth-audit-'));
    try {
      const audit = openAuditFile(folder, winston.createLogger({ silent: true }));
      const entry = {
        at: '',
        keyId: 'bktest',
        client: '',
        method: 'POST',
        path: 'x'.repeat(100_000),
        status: 202,
      };
      for (let n = 0; n < 250; n++) audit({ ...entry, requestId: `r${n}` });
      const newest = async () => readFile(path.join(folder, 'audit.jsonl'), 'utf8').catch(() => '');
      await eventually(async () => (await newest()).includes('"r249"'), 'the last entry');
      const lines = (await newest()).trim().split('\n');
      expect((JSON.parse(lines.at(-1) ?? '') as { requestId: string }).requestId).to.equal('r249');
      expect((await readdir(folder)).length).to.be.within(2, 11);
      audit({ ...entry, keyId: null, requestId: 'stranger' });
      const refused = async () => readFile(path.join(folder, 'refused.jsonl'), 'utf8').catch(() => '');
      await eventually(async () => (await refused()).includes('"stranger"'), 'the refused one');
      expect(await newest(), 'who is not known fills a file of his own').not.to.contain('"stranger"');
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  it('goes on after a write that failed, with what could not be written', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'berth-audit-'));
    try {
      const told: string[] = [];
      const audit = openAuditFile(folder, memoryLogger(told));
      const entry = { at: '', keyId: 'bktest', client: '', method: 'POST', path: '/', status: 202 };
      const file = path.join(folder, 'audit.jsonl');
      await mkdir(file); // nothing can be appended to it
      for (const requestId of ['r1', 'r2']) audit({ ...entry, requestId });
      await eventually(() => told.length === 1, 'a word of it, once');
      expect(told[0]).to.contain('"level":"error"').and.to.contain('EISDIR');
      await rmdir(file);
      audit({ ...entry, requestId: 'r3' });
      await eventually(() => told.length === 2, 'a word that it works again');
      const lines = (await readFile(file, 'utf8')).split('\n').filter((line) => line !== '');
      const ids = lines.map((line) => (JSON.parse(line) as { requestId: string }).requestId);
      expect(ids).to.deep.equal(['r1', 'r2', 'r3']);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});

describe('Clients without a valid key', () => {
  it('are told from clients with many calls at once', async () => {
    const settings = readApiSettings({ BERTH_AUTH_FAILURES_PER_MINUTE: '3' });
    const api = await TestApi.start({ settings });
    try {
      const answers = await Promise.all(Array.from({ length: 40 }, () => api.call('GET', '/api/containers')));
      expect(new Set(answers.map(({ status }) => status))).to.deep.equal(new Set([200]));
    } finally {
      await api.stop();
    }
  });

  it('are turned away after some guesses; whoever has one is not', async () => {
    const settings = readApiSettings({ BERTH_AUTH_FAILURES_PER_MINUTE: '3' });
    const api = await TestApi.start({ settings });
    try {
      const ask = async (authorization: string | null, client: string) => {
        const headers = { 'X-Forwarded-For': client };
        const { status, headers: got } = await api.call('GET', '/api/containers', { authorization, headers });
        return [status, got.get('retry-after')];
      };
      expect(await ask(`Bearer ${KEY}`, '203.0.113.1')).to.deep.equal([200, null]);
      const wrong = `Bearer bktest_${'x'.repeat(20)}`;
      for (let n = 0; n < 3; n++) expect(await ask(wrong, '203.0.113.1')).to.deep.equal([401, null]);
      expect(await ask(wrong, '203.0.113.1')).to.deep.equal([429, '60']);
      expect(await ask(null, '203.0.113.1'), 'no guess').to.deep.equal([401, null]);
      expect(await ask(wrong, '203.0.113.2'), 'another client').to.deep.equal([401, null]);
      for (let n = 0; n < 5; n++)
        expect(await ask(`Bearer ${KEY}`, '203.0.113.1')).to.deep.equal([200, null]);
    } finally {
      await api.stop();
    }
  });
});
