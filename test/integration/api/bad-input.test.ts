import { expect } from 'chai';
import { gzipSync } from 'node:zlib';
import { TestApi } from './support.js';

describe('bad input to the API', () => {
  let api: TestApi;
  before(async () => (api = await TestApi.start()));
  after(async () => {
    // None of all these may have declared anything.
    expect(await api.records.desired.ids()).to.deep.equal([]);
    await api.stop();
  });

  describe('POST /api/containers/start answers 400 and names the field', () => {
    const cases: [string, unknown, string][] = [
      ['no bucketId', {}, 'bucketId'],
      ['an empty bucketId', { bucketId: '' }, 'bucketId'],
      ['a null bucketId', { bucketId: null }, 'bucketId'],
      ['a number as bucketId', { bucketId: 7 }, 'bucketId'],
      ['capitals in the bucketId', { bucketId: 'Demo' }, 'bucketId'],
      ['an underscore in the bucketId', { bucketId: 'a_b_c' }, 'bucketId'],
      ['a path as bucketId', { bucketId: '../../etc' }, 'bucketId'],
      ['an IP address as bucketId', { bucketId: '10.0.0.1' }, 'bucketId'],
      ['a bucketId of 64 characters', { bucketId: 'a'.repeat(64) }, 'bucketId'],
      ['a line break in the bucketId', { bucketId: 'demo\n' }, 'bucketId'],
      ['an unknown field', { bucketId: 'demo', nmae: 'x' }, 'nmae'],
      ['an unknown field of a wrong type', { bucketId: 'demo', idle: [] }, 'idle'],
      ['an illegal name', { bucketId: 'demo', name: 'Not A Label' }, 'name'],
      ['a path as name', { bucketId: 'demo', name: '../x' }, 'name'],
      ['a name of 41 characters', { bucketId: 'demo', name: 'a'.repeat(41) }, 'name'],
      ['an empty name', { bucketId: 'demo', name: '' }, 'name'],
      ['a prefix that leads out', { bucketId: 'demo', prefix: 'a/../b' }, 'prefix'],
      ['a reserved prefix', { bucketId: 'demo', prefix: '.berth/x' }, 'prefix'],
      ['an absolute prefix', { bucketId: 'demo', prefix: '/a' }, 'prefix'],
      ['capitals in a prefix, with the bundled server', { bucketId: 'demo', prefix: 'Team' }, 'prefix'],
      ['a wrong type of prefix', { bucketId: 'demo', prefix: ['a'] }, 'prefix'],
      ['an image that is not allowed', { bucketId: 'demo', image: 'busybox' }, 'image'],
      ['a wrong type of image', { bucketId: 'demo', image: true }, 'image'],
      ['more CPUs than R7.1 allows', { bucketId: 'demo', resources: { cpus: 2.5 } }, 'resources.cpus'],
      ['no CPUs', { bucketId: 'demo', resources: { cpus: 0 } }, 'resources.cpus'],
      ['CPUs as text', { bucketId: 'demo', resources: { cpus: '2' } }, 'resources.cpus'],
      [
        'more memory than R7.2 allows',
        { bucketId: 'demo', resources: { memoryBytes: 2 ** 33 } },
        'resources.memoryBytes',
      ],
      ['an unknown resource', { bucketId: 'demo', resources: { gpus: 1 } }, 'resources.gpus'],
      ['resources as text', { bucketId: 'demo', resources: 'all' }, 'resources'],
      ['a number as label', { bucketId: 'demo', labels: { a: 1 } }, 'labels.a'],
      ['an illegal label name', { bucketId: 'demo', labels: { 'a b': 'c' } }, 'labels.a b'],
      ['labels as a list', { bucketId: 'demo', labels: ['a'] }, 'labels'],
      ['a list', [{ bucketId: 'demo' }], 'body'],
    ];
    for (const [name, body, field] of cases) {
      it(name, async () => {
        const answer = await api.start(body);
        expect(answer.status).to.equal(400);
        expect(answer.body.code).to.equal('BERTH_BODY_INVALID');
        expect(answer.body.errors?.map((error) => error.field)).to.deep.equal([field]);
        expect(answer.body.detail).to.contain(field);
      });
    }

    it('all wrong fields at once', async () => {
      const { body } = await api.start({ name: 'A', image: 'x', more: 1 });
      expect(body.errors?.map(({ field }) => field)).to.have.members(['bucketId', 'name', 'image', 'more']);
    });

    it('which images are allowed', async () => {
      const { body } = await api.start({ bucketId: 'demo', image: 'busybox' });
      expect(body.errors?.[0]?.message).to.equal('must be one of berth/workspace, berth/testspace');
    });
  });

  describe('a body that is none', () => {
    const post = (options: Parameters<TestApi['call']>[2]) =>
      api.call('POST', '/api/containers/start', options);

    for (const raw of ['{', '{"bucketId":', 'bucketId=demo', '"demo"', '{"a":1}}', '\u0000']) {
      it(`answers 400 to broken JSON ${JSON.stringify(raw)}`, async () => {
        const { status, body } = await post({ raw });
        expect([status, body.code, body.errors?.[0]?.field]).to.deep.equal([
          400,
          'BERTH_BODY_INVALID',
          'body',
        ]);
      });
    }

    it('answers 400 to no body at all', async () => {
      const { status, body } = await post({});
      expect([status, body.errors?.[0]?.field]).to.deep.equal([400, 'bucketId']);
    });

    it('answers 413 above 64 kB', async () => {
      const { status, body } = await post({ body: { bucketId: 'demo', name: 'a'.repeat(65 * 1024) } });
      expect([status, body.code]).to.deep.equal([413, 'BERTH_BODY_TOO_LARGE']);
    });

    it('answers 413 to a small body that unpacks to a huge one', async () => {
      const packed = gzipSync(JSON.stringify({ bucketId: 'a'.repeat(10_000_000) }));
      const response = await fetch(`${api.url}/api/containers/start`, {
        method: 'POST',
        headers: {
          Authorization: 'Bearer bktest_TheSecretOfTheTestKey123',
          'Content-Type': 'application/json',
          'Content-Encoding': 'gzip',
        },
        body: packed,
      });
      expect(response.status).to.equal(413);
    });

    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/xml', 'nonsense']) {
      it(`answers 415 to ${type}`, async () => {
        const { status, body } = await post({
          raw: '{"bucketId":"demo"}',
          headers: { 'Content-Type': type },
        });
        expect([status, body.code]).to.deep.equal([415, 'BERTH_MEDIA_TYPE_UNSUPPORTED']);
      });
    }

    it('answers 400 to a body that is not what its encoding says', async () => {
      for (const encoding of ['gzip', 'br', 'deflate']) {
        const { status, body } = await post({ raw: 'no such', headers: { 'Content-Encoding': encoding } });
        expect([status, body.code], encoding).to.deep.equal([400, 'BERTH_BODY_INVALID']);
      }
    });

    it('answers 415 to an unknown encoding', async () => {
      const { status } = await post({ raw: '{}', headers: { 'Content-Encoding': 'nonsense' } });
      expect(status).to.equal(415);
    });
  });

  describe('the query', () => {
    const bad = [
      ['POST', '/api/containers/start?wait=0', 'wait'],
      ['POST', '/api/containers/start?wait=301', 'wait'],
      ['POST', '/api/containers/start?wait=soon', 'wait'],
      ['POST', '/api/containers/start?wait=1&wait=2', 'wait'],
      ['POST', '/api/containers/start?wiat=1', 'wiat'],
      ['DELETE', '/api/containers/one?wait=0', 'wait'],
      ['DELETE', '/api/containers/one?force=yes', 'force'],
      ['GET', '/api/containers?status=dead', 'status'],
      ['GET', '/api/containers?status=', 'status'],
      ['GET', '/api/containers?status=running,', 'status'],
      ['GET', '/api/containers?status=all,running', 'status'],
      ['GET', '/api/containers?limit=0', 'limit'],
      ['GET', '/api/containers?limit=501', 'limit'],
      ['GET', '/api/containers?limit=ten', 'limit'],
      ['GET', '/api/containers?cursor=nonsense', 'cursor'],
      ['GET', '/api/containers?bucketId=A', 'bucketId'],
      ['GET', '/api/containers?stauts=all', 'stauts'],
    ] as const;
    for (const [method, target, field] of bad) {
      it(`answers 400 to ${method} ${target}`, async () => {
        const options = method === 'POST' ? { body: { bucketId: 'demo' } } : {};
        const { status, body } = await api.call(method, target, options);
        expect([status, body.code]).to.deep.equal([400, 'BERTH_QUERY_INVALID']);
        expect(body.errors?.map((error) => error.field)).to.deep.equal([field]);
      });
    }

    it('answers 400 to a Prefer header that cannot be followed', async () => {
      const options = { body: { bucketId: 'demo' }, headers: { Prefer: 'wait=never' } };
      const { status, body } = await api.call('POST', '/api/containers/start', options);
      expect([status, body.code]).to.deep.equal([400, 'BERTH_REQUEST_INVALID']);
    });
  });

  describe('the path', () => {
    const illegal = [
      'unknown',
      'Not-Legal',
      '-x',
      'a'.repeat(41),
      '..%2f..%2fetc%2fpasswd',
      '%00',
      '%E0%A4%A',
      'a.yaml',
    ];
    for (const id of illegal) {
      for (const method of ['GET', 'DELETE']) {
        it(`answers 404 to ${method} of the id ${id}`, async () => {
          const { status, headers } = await api.call(method, `/api/containers/${id}`);
          expect(status).to.equal(404);
          expect(headers.get('content-type')).to.match(/^application\/problem\+json/);
        });
      }
    }

    it('answers 404 to what is nowhere', async () => {
      for (const target of ['/api', '/api/nowhere', '/nowhere', '/', '/api/containers/one/two', '/agent']) {
        const { status, body } = await api.call('GET', target);
        expect([target, status, body.code]).to.deep.equal([target, 404, 'BERTH_NOT_FOUND']);
      }
    });

    it('knows the parameters of each call, also where there are none', async () => {
      const cases = [
        ['GET', '/api/containers/one'],
        ['POST', '/api/containers/one/extend'],
        ['POST', '/api/containers/one/access'],
        ['DELETE', '/api/containers/one/access'],
        ['GET', '/api/containers/one/events'],
        ['GET', '/api/containers/one/health'],
        ['GET', '/api/containers/one/files.tar'],
        ['GET', '/api/system/status'],
      ] as const;
      for (const [method, target] of cases) {
        const { status, body } = await api.call(method, `${target}?for=3h`);
        expect([target, status, body.errors]).to.deep.equal([
          target,
          400,
          [{ field: 'for', message: 'is not known' }],
        ]);
      }
    });

    it('answers 405 and the methods that there are', async () => {
      const cases = [
        ['PATCH', '/api/containers', 'GET, HEAD'],
        ['PUT', '/api/containers/one', 'GET, HEAD, DELETE'],
        ['PUT', '/api/containers/start', 'GET, HEAD, DELETE, POST'],
        ['POST', '/api/system/status', 'GET, HEAD'],
        ['POST', '/healthz', 'GET, HEAD'],
        ['DELETE', '/readyz', 'GET, HEAD'],
        ['GET', '/agent/report', 'PUT'],
      ] as const;
      for (const [method, target, allowed] of cases) {
        const { status, body, headers } = await api.call(method, target);
        expect([target, status, body.code]).to.deep.equal([target, 405, 'BERTH_METHOD_NOT_ALLOWED']);
        expect(headers.get('allow')).to.equal(allowed);
      }
    });
  });

  it('says which request it was, and nothing about the program', async () => {
    const given = await api.call('GET', '/nowhere', { headers: { 'X-Request-Id': 'my-request.1' } });
    expect(given.headers.get('x-request-id')).to.equal('my-request.1');
    expect(given.body['requestId']).to.equal('my-request.1');
    const made = await api.call('GET', '/nowhere', { headers: { 'X-Request-Id': 'a b"c' } });
    expect(made.headers.get('x-request-id')).to.match(/^[0-9a-f-]{36}$/);
    expect(made.headers.has('x-powered-by')).to.equal(false);
    expect(api.log.some((line) => line.includes('"requestId":"my-request.1"'))).to.equal(true);
  });
});
