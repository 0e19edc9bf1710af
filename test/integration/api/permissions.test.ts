import bcrypt from 'bcryptjs';
import path from 'node:path';
import { expect } from 'chai';
import { openKeyFile, type KeyEntry } from '../../../api/auth/key-file.js';
import { openApiDocument } from '../../../api/openapi/document.js';
import { readApiSettings } from '../../../api/settings.js';
import { desired, observed } from '../../unit/api/fixtures.js';
import { KEY, system, TestApi } from './support.js';

const SECRET = 'TheSecretOfAllOtherKeys1';
const HASH = bcrypt.hashSync(SECRET, 4);
const EARLIER = '2026-01-01T00:00:00.000Z';

/** Whose declaration is whose, by the label `team`. */
const OURS = 'ours';
const THEIRS = 'theirs';

const KEYS: Record<string, Partial<KeyEntry>> = {
  reader: { scope: 'read' },
  writer: { scope: 'write' },
  expired: { expiresAt: EARLIER },
  revoked: {},
  ofTheirs: { labels: { team: THEIRS }, buckets: ['demo', 'shared/them'] },
  nowhere: { labels: { team: THEIRS } },
};

/** Every call of the API, as its description has it: one that is added later is asked here too. */
const CALLS = Object.entries(
  openApiDocument({ settings: readApiSettings({}), version: '1' }).paths ?? {},
).flatMap(([template, methods]) =>
  Object.keys(methods).map((method) => ({ method: method.toUpperCase(), template })),
);

describe('Who may call what', () => {
  let api: TestApi;
  const write = (keys: Record<string, Partial<KeyEntry>>) => {
    const entries = Object.entries(keys).map(([id, entry]): [string, KeyEntry] => {
      return [id, { name: id, hash: HASH, createdAt: EARLIER, scope: 'admin', ...entry }];
    });
    return openKeyFile(path.join(api.stateDir, 'keys.yaml')).write({ keys: Object.fromEntries(entries) });
  };

  beforeEach(async () => {
    // Calls that would wait, or download, say so at once.
    const buckets = () => Promise.reject(new Error('no bucket here'));
    api = await TestApi.start({ stopping: AbortSignal.abort(), buckets });
    await api.records.system.write(system());
    for (const [id, team] of [
      ['one', OURS],
      ['two', THEIRS],
    ] as const) {
      const declared = desired(id);
      const labelled = { ...declared, metadata: { ...declared.metadata, labels: { team } } };
      await api.records.desired.write(id, labelled);
      await api.records.observed.write(id, observed(labelled));
    }
    await write(KEYS);
  });
  afterEach(() => api.stop());

  const call = (method: string, template: string, key: string | null) => {
    const target = template.replace('{id}', 'one');
    const body =
      method === 'POST' ? (template.endsWith('/containers/start') ? { bucketId: 'demo' } : {}) : undefined;
    const authorization = key === null ? null : `Bearer ${key}`;
    return api.call(method, target, { authorization, ...(body && { body }) });
  };

  it('is asked of every call', () => {
    const names = CALLS.map(({ method, template }) => `${method} ${template}`);
    expect(names).to.include.members(['POST /api/containers/start', 'GET /api/system/status']);
  });

  it('is asked of every route that there is', () => {
    const outside = ['/healthz', '/readyz', '/openapi.json', '/auth', '/access', '/login'];
    // Agents', with tokens of their own.
    outside.push('/report', '/shutdown', '/credentials');
    const known = CALLS.map(({ method, template }) => `${method} ${template}`);
    const routes = routesOf(api.app.router.stack as Layer[]).filter(
      ({ path: route }) => !outside.includes(route),
    );
    expect(routes.length).to.be.at.least(CALLS.length);
    for (const { method, path: route } of routes) {
      const described = known.some(
        (name) =>
          name.startsWith(`${method} /api/`) &&
          name.endsWith(route === '/' ? '' : route.replace(':id', '{id}')),
      );
      expect(described, `${method} ${route} is described`).to.equal(true);
    }
  });

  for (const { method, template } of CALLS) {
    const changes = method !== 'GET';
    it(`${method} ${template}`, async () => {
      // First verified, so that what is remembered of a key has to be forgotten.
      expect(
        (await api.call('GET', '/api/containers', { authorization: `Bearer revoked_${SECRET}` })).status,
      ).to.equal(200);
      await write(Object.fromEntries(Object.entries(KEYS).filter(([id]) => id !== 'revoked')));
      expect((await call(method, template, null)).status, 'without a key').to.equal(401);
      expect((await call(method, template, `reader_${SECRET}x`)).status, 'a wrong key').to.equal(401);
      expect((await call(method, template, `nobody_${SECRET}`)).status, 'an unknown key').to.equal(401);
      const expired = await call(method, template, `expired_${SECRET}`);
      expect([expired.status, expired.body.detail], 'an expired key').to.deep.equal([
        401,
        'The API key expired has expired.',
      ]);
      expect((await call(method, template, `revoked_${SECRET}`)).status, 'a revoked key').to.equal(401);
      const others = await call(method, template, `ofTheirs_${SECRET}`);
      if (template.includes('{id}')) expect(others.status, "others'").to.equal(404);
      else expect(others.text, "others'").not.to.contain('"one"');
      const read = await call(method, template, `reader_${SECRET}`);
      if (changes) expect([read.status, read.body.code], 'read only').to.deep.equal([403, 'BERTH_FORBIDDEN']);
      else expect([401, 403, 404], 'read only').not.to.include(read.status);
      expect([401, 403, 404], 'who may').not.to.include(
        (await call(method, template, `writer_${SECRET}`)).status,
      );
    });
  }

  it('what a confined key starts has its labels, and no others of that name', async () => {
    const authorization = `Bearer ofTheirs_${SECRET}`;
    const start = (labels: Record<string, string>) =>
      api.call('POST', '/api/containers/start', { authorization, body: { bucketId: 'demo', labels } });
    const { status, body } = await start({ purpose: 'demo' });
    expect([status, body.labels]).to.deep.equal([202, { team: THEIRS, purpose: 'demo' }]);
    const refused = await start({ team: OURS });
    expect([refused.status, refused.body.errors]).to.deep.equal([
      403,
      [{ field: 'labels', message: 'must keep team=theirs' }],
    ]);
    const list = await api.call('GET', '/api/containers?status=all', { authorization });
    expect(list.body.items?.map(({ containerId }) => containerId).sort()).to.deep.equal(
      ['two', body.containerId].sort(),
    );
  });

  it('a confined key starts workspaces where it may, and nowhere else', async () => {
    const start = async (id: string, body: { bucketId: string; prefix?: string }) => {
      const authorization = `Bearer ${id}_${SECRET}`;
      const answer = await api.call('POST', '/api/containers/start', { authorization, body });
      return [answer.status, answer.body.errors?.[0]?.field];
    };
    expect(await start('ofTheirs', { bucketId: 'demo' })).to.deep.equal([202, undefined]);
    expect(await start('ofTheirs', { bucketId: 'shared', prefix: 'them/a' })).to.deep.equal([202, undefined]);
    for (const place of [
      { bucketId: 'ours' },
      { bucketId: 'shared' },
      { bucketId: 'shared', prefix: 'themes' },
    ])
      expect(await start('ofTheirs', place)).to.deep.equal([403, 'bucketId']);
    expect(await start('nowhere', { bucketId: 'demo' })).to.deep.equal([403, 'bucketId']);
  });

  it('metrics and the state of the server are for keys that see everything', async () => {
    const shown = await api.call('GET', '/api/system/status', { authorization: `Bearer ofTheirs_${SECRET}` });
    expect(shown.status).to.equal(403);
    const ask = (key: string) => api.call('GET', '/auth', { authorization: `Bearer ${key}` });
    expect((await ask(`ofTheirs_${SECRET}`)).status).to.equal(403);
    expect((await ask(`reader_${SECRET}`)).status).to.equal(200);
    expect((await ask(KEY)).status).to.equal(200);
  });
});

/** What Express keeps of routes and, below them, of the routers that were mounted (not where). */
interface Layer {
  route?: { path: string; methods: Record<string, boolean> };
  handle: { stack?: Layer[] };
}

function routesOf(stack: readonly Layer[]): { method: string; path: string }[] {
  return stack.flatMap(({ route, handle }) => {
    if (route === undefined) return routesOf(handle.stack ?? []);
    const methods = Object.keys(route.methods).filter((method) => method !== '_all' && method !== 'all');
    return methods.map((method) => ({ method: method.toUpperCase(), path: route.path }));
  });
}
