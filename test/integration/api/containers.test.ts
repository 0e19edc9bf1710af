import { execFile } from 'node:child_process';
import { mkdir, readFile, rm, symlink } from 'node:fs/promises';
import { get } from 'node:http';
import path from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import type { Desired } from '../../../shared/model/desired.js';
import { desired, observed, report, stopped } from '../../unit/api/fixtures.js';
import { KEY, TestApi } from './support.js';

const run = promisify(execFile);

/** With node:http, for `fetch` adds a `Cache-Control: no-cache` of its own, which rules a 304 out. */
function statusIfNoneMatch(url: string, etag: string): Promise<number | undefined> {
  const headers = { Authorization: `Bearer ${KEY}`, 'If-None-Match': etag };
  return new Promise((resolve, reject) => {
    get(url, { headers, agent: false }, (response) => {
      response.resume().once('end', () => resolve(response.statusCode));
    }).once('error', reject);
  });
}

describe('workspaces over the API (R1)', () => {
  let api: TestApi;
  beforeEach(async () => (api = await TestApi.start()));
  afterEach(() => api.stop());

  async function declared(id: string): Promise<Desired> {
    const read = await api.records.desired.read(id);
    if (read.kind !== 'valid') throw new Error(`${id} is ${read.kind}`);
    return read.value;
  }

  describe('start', () => {
    it('declares what was asked for and answers 202 with the view and its place', async () => {
      const answer = await api.start({
        bucketId: 'demo',
        name: 'mine',
        pull: 'never',
        prefix: 'team/a',
        image: 'berth/testspace',
        resources: { cpus: 0.5, memoryBytes: 2 ** 29 },
        labels: { team: 'a' },
      });
      expect(answer.status).to.equal(202);
      expect(answer.headers.get('location')).to.equal('/api/containers/mine');
      expect(answer.body).to.deep.include({ containerId: 'mine', bucketId: 'demo', status: 'starting' });
      expect(answer.body.urls?.code).to.equal('https://mine-code.berth.localhost');
      const { metadata, spec, ...rest } = await declared('mine');
      expect(rest).to.deep.equal({ apiVersion: 'berth/v1', kind: 'Workspace' });
      expect(metadata).to.deep.include({ id: 'mine', createdBy: 'bktest', labels: { team: 'a' } });
      expect(metadata.uid).to.match(/^[0-9a-f]{16}$/);
      expect(Date.now() - Date.parse(metadata.createdAt ?? '')).to.be.within(-60_000, 60_000);
      expect(spec).to.deep.equal({
        bucket: 'demo',
        prefix: 'team/a',
        state: 'running',
        image: 'berth/testspace',
        resources: { cpus: 0.5, memoryBytes: 2 ** 29 },
        pull: 'never',
      });
    });

    it('shows the same afterwards', async () => {
      const { body } = await api.start({ bucketId: 'demo' });
      const shown = await api.call('GET', `/api/containers/${body.containerId}`);
      expect(shown.status).to.equal(200);
      expect(shown.body).to.deep.equal(body);
    });

    it('needs a bucket only: random id, default image, the limits of R7', async () => {
      const first = await api.start({ bucketId: 'demo' });
      const second = await api.start({ bucketId: 'demo' });
      expect(first.body.containerId).to.match(/^[a-z][a-z2-7]{11}$/);
      expect(second.body.containerId).to.not.equal(first.body.containerId);
      expect((await declared(first.body.containerId ?? '')).spec).to.deep.include({
        image: 'berth/workspace',
        resources: { cpus: 2, memoryBytes: 4 * 1024 ** 3 },
      });
    });

    it('takes JSON with a charset and of a +json type', async () => {
      for (const type of ['application/json; charset=utf-8', 'application/merge-patch+json']) {
        const options = { body: { bucketId: 'demo' }, headers: { 'Content-Type': type } };
        expect((await api.call('POST', '/api/containers/start', options)).status).to.equal(202);
      }
    });

    it('gives a name to exactly one of twenty who want it at once', async () => {
      const answers = await Promise.all(
        Array.from({ length: 20 }, () => api.start({ bucketId: 'demo', name: 'wanted' })),
      );
      const statuses = answers.map(({ status }) => status).sort();
      expect(statuses).to.deep.equal([202, ...Array.from({ length: 19 }, () => 409)]);
      const winner = answers.find(({ status }) => status === 202);
      expect(winner?.body.createdAt).to.equal((await declared('wanted')).metadata.createdAt);
    });

    const DELETED = { metadata: { deletionRequestedAt: '2026-01-02T04:00:00.000Z' } };
    const taken: [string, () => Promise<unknown>][] = [
      ['of a workspace that starts', () => api.start({ bucketId: 'demo', name: 'one' })],
      [
        'of a workspace that runs',
        async () => {
          await api.records.desired.write('one', desired());
          await api.records.observed.write('one', observed(desired()));
        },
      ],
      [
        'of a workspace that stopped by itself',
        async () => {
          await api.records.desired.write('one', desired());
          await api.records.observed.write('one', stopped(desired()));
        },
      ],
      [
        'of a deleted workspace that is still stopping',
        async () => {
          await api.records.desired.write('one', desired('one', DELETED));
          await api.records.observed.write('one', observed(desired(), { phase: 'stopping' }));
        },
      ],
      [
        'of a deleted workspace whose stopped record is of an earlier one',
        async () => {
          await api.records.desired.write('one', desired('one', DELETED));
          await api.records.observed.write('one', stopped(desired('one', { metadata: { uid: 'uid-0' } })));
        },
      ],
      [
        'of a workspace that is still up, though its file is gone',
        () => api.records.observed.write('one', observed(desired())),
      ],
      ['of a file that is broken', () => api.write('desired/one.yaml', 'a: [')],
      ['of a file without content', () => api.write('desired/one.yaml', '# to be filled\n')],
    ];
    for (const [name, arrange] of taken) {
      it(`answers 409 to the name ${name}, and changes nothing`, async () => {
        await arrange();
        const file = path.join(api.stateDir, 'desired/one.yaml');
        const before = await readFile(file, 'utf8').catch(() => null);
        const { status, body } = await api.start({ bucketId: 'other', name: 'one' });
        expect([status, body.code, body.errors?.[0]?.field]).to.deep.equal([409, 'BERTH_NAME_TAKEN', 'name']);
        expect(await readFile(file, 'utf8').catch(() => null)).to.equal(before);
      });
    }

    it('gives the name of a deleted and stopped workspace to a new one, without its past', async () => {
      await api.records.desired.write('one', desired('one', DELETED));
      await api.records.observed.write('one', stopped(desired()));
      await api.records.reports.write('one', { ...report(), receivedAt: '2026-01-02T03:04:05.000Z' });
      const { status, body } = await api.start({ bucketId: 'other', name: 'one' });
      expect(status).to.equal(202);
      expect(body).to.deep.include({
        status: 'starting',
        bucketId: 'other',
        stoppedAt: null,
        lastSyncAt: null,
        sync: null,
      });
      expect(body).to.deep.include({ shutdownReason: null, labels: {} });
      const { metadata } = await declared('one');
      expect(metadata.deletionRequestedAt).to.equal(undefined);
      expect(metadata.uid).to.not.equal('uid-1');
    });

    it('gives the name of a workspace whose file was removed and that is stopped to a new one', async () => {
      await api.records.observed.write('one', stopped(desired()));
      expect((await api.start({ bucketId: 'demo', name: 'one' })).status).to.equal(202);
    });
  });

  describe('get', () => {
    it('has an ETag, and answers 304 while nothing changed', async () => {
      await api.records.desired.write('one', desired());
      const first = await api.call('GET', '/api/containers/one');
      const etag = first.headers.get('etag') ?? '';
      expect(etag).to.match(/^"[0-9a-f]{16}-[0-9a-f]{16}"$/);
      expect(await statusIfNoneMatch(`${api.url}/api/containers/one`, etag)).to.equal(304);
      await api.records.observed.write('one', observed(desired()));
      expect(await statusIfNoneMatch(`${api.url}/api/containers/one`, etag)).to.equal(200);
    });

    it('says of a broken file which line is wrong and why; the others go on', async () => {
      await api.records.desired.write('good', desired('good'));
      await api.write('desired/bad.yaml', 'apiVersion: berth/v1\nkind: Workspace\nmetadata:\n  id: [bad\n');
      await api.write(
        'desired/wrong.yaml',
        'apiVersion: berth/v1\nkind: Wrong\nmetadata: {id: wrong}\nspec: {bucket: demo}\n',
      );
      const bad = await api.call('GET', '/api/containers/bad');
      expect([bad.status, bad.body.status]).to.deep.equal([200, 'stopped']);
      expect(bad.body.conditions?.[0]).to.deep.include({ type: 'SpecValid', status: 'False' });
      expect(bad.body.conditions?.[0]?.message).to.match(/^bad\.yaml:\d: ./);
      const wrong = await api.call('GET', '/api/containers/wrong');
      expect(wrong.body.conditions?.[0]?.message).to.match(/^wrong\.yaml:2: kind: /);
      expect((await api.call('GET', '/api/containers/good')).body.status).to.equal('starting');
      const { items } = (await api.call('GET', '/api/containers?status=all')).body;
      expect(items?.map(({ containerId, status }) => `${containerId} ${status}`)).to.deep.equal([
        'bad stopped',
        'good starting',
        'wrong stopped',
      ]);
    });

    it('counts a file whose id is not its name as broken', async () => {
      await api.records.desired.write('two', desired('one'));
      const { body } = await api.call('GET', '/api/containers/two');
      expect(body.conditions?.[0]?.message).to.equal('two.yaml: metadata.id is "one"; it must be "two"');
    });

    it('goes on with the declaration when the observed record or the report is broken', async () => {
      await api.records.desired.write('one', desired());
      await api.write('observed/one.json', '{');
      await api.write('reports/one.json', '[]');
      for (let i = 0; i < 3; i++) {
        expect((await api.call('GET', '/api/containers/one')).body.status).to.equal('starting');
      }
      const complaints = api.log.filter((line) => line.includes('record is unreadable'));
      expect(complaints, 'each is complained about once').to.have.length(2);
    });
  });

  describe('list', () => {
    beforeEach(async () => {
      await api.records.desired.write('b-new', desired('b-new'));
      for (const [id, phase] of [
        ['a-run', 'running'],
        ['c-going', 'stopping'],
        ['d-done', 'stopped'],
      ] as const) {
        await api.records.desired.write(id, desired(id, { spec: { bucket: `of-${id}` } }));
        await api.records.observed.write(id, observed(await declared(id), { phase }));
      }
      // Its file was removed by hand.
      await api.records.observed.write('e-orphan', observed(desired('e-orphan'), { phase: 'stopping' }));
    });

    const idsOf = async (query: string) =>
      (await api.call('GET', `/api/containers${query}`)).body.items?.map(({ containerId }) => containerId);

    it('shows all that is alive, in the order of the ids', async () => {
      expect(await idsOf('')).to.deep.equal(['a-run', 'b-new', 'c-going', 'e-orphan']);
    });

    it('filters by status (R6.5)', async () => {
      expect(await idsOf('?status=running')).to.deep.equal(['a-run']);
      expect(await idsOf('?status=starting')).to.deep.equal(['b-new']);
      expect(await idsOf('?status=stopped')).to.deep.equal(['d-done']);
      expect(await idsOf('?status=stopped,running')).to.deep.equal(['a-run', 'd-done']);
      expect(await idsOf('?status=all')).to.deep.equal(['a-run', 'b-new', 'c-going', 'd-done', 'e-orphan']);
    });

    it('filters by bucket', async () => {
      expect(await idsOf('?bucketId=of-c-going')).to.deep.equal(['c-going']);
      expect(await idsOf('?bucketId=nobodys')).to.deep.equal([]);
    });

    it('comes in pages that miss and repeat nothing, also when one is added in between', async () => {
      const seen: string[] = [];
      let cursor: string | null = '';
      for (let page = 0; cursor !== null && page < 10; page++) {
        const query: string = cursor === '' ? '' : `&cursor=${cursor}`;
        const { body } = await api.call('GET', `/api/containers?status=all&limit=2${query}`);
        seen.push(...(body.items ?? []).map(({ containerId }) => containerId));
        cursor = body.nextCursor ?? null;
        if (page === 0) await api.records.desired.write('a-early', desired('a-early'));
      }
      expect(seen).to.deep.equal(['a-run', 'b-new', 'c-going', 'd-done', 'e-orphan']);
    });

    it('has no next page when the last one is just full', async () => {
      const { body } = await api.call('GET', '/api/containers?status=all&limit=5');
      expect([body.items?.length, body.nextCursor]).to.deep.equal([5, null]);
    });

    it('goes on with the others where something else than a file has the name of one', async () => {
      const file = path.join(api.stateDir, 'desired/b-new.yaml');
      for (const make of [() => mkdir(file), () => run('mkfifo', [file]), () => symlink('/dev/zero', file)]) {
        await rm(file, { recursive: true });
        await make();
        expect(await idsOf('?status=all')).to.deep.equal(['a-run', 'b-new', 'c-going', 'd-done', 'e-orphan']);
        const { body } = await api.call('GET', '/api/containers/b-new');
        expect(body.conditions?.[0]).to.include({ type: 'SpecValid', status: 'False' });
      }
    });

    it('goes on without the folder of observed records', async () => {
      await rm(path.join(api.stateDir, 'observed'), { recursive: true });
      expect(await idsOf('')).to.deep.equal(['a-run', 'b-new', 'c-going', 'd-done']);
      expect((await api.start({ bucketId: 'demo' }, '?wait=1')).status).to.equal(202);
    });
  });

  describe('delete', () => {
    it('asks for the end, once, and keeps what operators wrote', async () => {
      await api.records.desired.write('one', desired());
      await api.records.observed.write('one', observed(desired()));
      const file = path.join(api.stateDir, 'desired/one.yaml');
      await api.write('desired/one.yaml', `# mine\n${await readFile(file, 'utf8')}`);
      const first = await api.call('DELETE', '/api/containers/one');
      expect([first.status, first.body.status]).to.deep.equal([202, 'stopping']);
      const after = await declared('one');
      expect(after.metadata.deletionRequestedAt).to.be.a('string');
      expect(await readFile(file, 'utf8')).to.match(/^# mine\n/);
      const second = await api.call('DELETE', '/api/containers/one');
      expect([second.status, second.body]).to.deep.equal([202, first.body]);
      expect(await declared('one')).to.deep.equal(after);
    });

    it('is fine for one that is deleted and stopped already', async () => {
      const gone = desired('one', { metadata: { deletionRequestedAt: '2026-01-02T04:00:00.000Z' } });
      await api.records.desired.write('one', gone);
      await api.records.observed.write('one', stopped(gone));
      const { status, body } = await api.call('DELETE', '/api/containers/one');
      expect([status, body.status, body.shutdownReason]).to.deep.equal([200, 'stopped', 'UserRequest']);
    });

    it('remembers that unsaved files may go, once somebody said so', async () => {
      await api.records.desired.write('one', desired());
      await api.records.observed.write('one', observed(desired()));
      await api.call('DELETE', '/api/containers/one');
      expect((await declared('one')).metadata.discardUnsaved).to.equal(undefined);
      await api.call('DELETE', '/api/containers/one?force=true');
      expect((await declared('one')).metadata.discardUnsaved).to.equal(true);
      await api.call('DELETE', '/api/containers/one');
      expect((await declared('one')).metadata.discardUnsaved).to.equal(true);
      const { status, body } = await api.call('DELETE', '/api/containers/one?force=yes');
      expect([status, body.errors]).to.deep.equal([
        400,
        [{ field: 'force', message: 'must be true or false' }],
      ]);
    });

    it('leaves one whose file was removed by hand as it is', async () => {
      await api.records.observed.write('one', observed(desired(), { phase: 'stopping' }));
      const { status, body } = await api.call('DELETE', '/api/containers/one');
      expect([status, body.status]).to.deep.equal([202, 'stopping']);
      expect(await api.records.desired.ids()).to.deep.equal([]);
    });

    it('but declares that its files are discarded, if that is what is said', async () => {
      await api.records.observed.write('one', observed(desired(), { phase: 'stopped' }));
      await api.call('DELETE', '/api/containers/one?force=true');
      const { metadata } = await declared('one');
      expect([metadata.uid, metadata.discardUnsaved]).to.deep.equal(['uid-1', true]);
      expect(metadata.deletionRequestedAt).to.be.a('string');
    });

    it('answers 409 to a broken file and leaves it alone', async () => {
      await api.write('desired/one.yaml', 'a: [');
      const { status, body } = await api.call('DELETE', '/api/containers/one');
      expect([status, body.code]).to.deep.equal([409, 'BERTH_SPEC_INVALID']);
      expect(body.detail).to.match(/mend the file, or remove it .*one\.yaml:1/);
      expect(await readFile(path.join(api.stateDir, 'desired/one.yaml'), 'utf8')).to.equal('a: [');
    });

    it('answers 404 to an unknown id', async () => {
      const { status, body } = await api.call('DELETE', '/api/containers/one');
      expect([status, body.code]).to.deep.equal([404, 'BERTH_WORKSPACE_UNKNOWN']);
    });

    it('loses no other change that is made at the same moment', async () => {
      await api.records.desired.write('one', desired());
      const answers = await Promise.all(
        Array.from({ length: 10 }, () => api.call('DELETE', '/api/containers/one')),
      );
      expect(new Set(answers.map(({ status }) => status))).to.deep.equal(new Set([202]));
      expect((await declared('one')).metadata.uid).to.equal('uid-1');
    });
  });

  it('answers 503 and the reason when the state folder cannot be written', async () => {
    const full = Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
    api.records.desired.write = () => Promise.reject(full);
    const { status, body } = await api.start({ bucketId: 'demo' });
    expect([status, body.code]).to.deep.equal([503, 'BERTH_STORE_FAILED']);
    expect(body.detail).to.contain('ENOSPC');
    expect(api.log.some((line) => line.includes('request failed'))).to.equal(true);
  });

  it('answers 500 without inner words to what nobody foresaw', async () => {
    const keys = {
      verify: () => Promise.reject(new Error('the inside of the program')),
      believes: () => false,
      owner: () => Promise.resolve(null),
    };
    const other = await TestApi.start({ keys });
    try {
      const { status, body, text } = await other.call('GET', '/api/containers');
      expect([status, body.code]).to.deep.equal([500, 'BERTH_INTERNAL']);
      expect(text).to.not.contain('inside of the program');
    } finally {
      await other.stop();
    }
  });
});
