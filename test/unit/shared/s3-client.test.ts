import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import { S3Client } from '../../../shared/s3/client.js';
import { collect } from '../../../shared/s3/collect.js';
import type { S3Error } from '../../../shared/s3/s3-error.js';
import { addressOf } from '../../../shared/s3/transport.js';

type Answer = (request: IncomingMessage, response: ServerResponse, body: string) => void;

const LIST = '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">';
const absent = { kind: 'absent' } as const;

describe('S3 client', () => {
  let server: Server;
  let answer: Answer;
  let requests: { line: string; headers: IncomingMessage['headers']; body: string }[];
  let s3: S3Client;

  beforeEach(async () => {
    requests = [];
    server = createServer((request, response) => {
      void collect(request).then((body) => {
        const line = `${request.method} ${request.url}`;
        requests.push({ line, headers: request.headers, body: body.toString() });
        answer(request, response, body.toString());
      });
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    s3 = new S3Client({ bucket: 'ws', region: 'eu-x', endpoint, accessKeyId: 'id', secretAccessKey: 'no' });
  });

  afterEach(() => {
    s3.close();
    server.closeAllConnections();
    server.close();
  });

  const answers = (status: number, body: string, headers: Record<string, string> = {}) => {
    answer = (_request, response) => response.writeHead(status, headers).end(body);
  };
  const failureOf = (work: Promise<unknown>): Promise<S3Error> =>
    work.then(
      () => expect.fail('it went well'),
      (error: unknown) => error as S3Error,
    );
  const listAll = async () => {
    const found = [];
    for await (const page of s3.list('p/')) found.push(...page);
    return found;
  };

  it('escapes a key as S3 signs it', async () => {
    answers(200, '', { etag: '"e"' });
    await s3.head("a b/ü+!'()*~.txt");
    expect(requests[0]?.line).to.equal('HEAD /ws/a%20b/%C3%BC%2B%21%27%28%29%2A~.txt');
  });

  it('writes under its condition, and signs the content', async () => {
    answers(200, '', { etag: '"new"' });
    expect(await s3.put('k', Buffer.from('text'), { mode: '644' }, { kind: 'match', etag: 'old' })).to.eql({
      etag: 'new',
    });
    await s3.put('k', Buffer.from('text'), {}, absent);
    await s3.remove('k', { kind: 'match', etag: 'old' });
    const [matching, making, removing] = requests.map(({ headers }) => headers);
    expect(matching).to.include({ 'if-match': '"old"', 'x-amz-meta-mode': '644', 'content-length': '4' });
    expect(matching?.['x-amz-content-sha256']).to.match(/^982d9e3e/);
    expect(matching?.authorization).to.match(/SignedHeaders=[^,]*if-match;[^,]*x-amz-content-sha256/);
    expect(making).to.include({ 'if-none-match': '*' });
    expect(removing).to.include({ 'if-match': '"old"' });
  });

  it('reads a list page by page, with keys that XML cannot hold', async () => {
    const entry = (key: string) =>
      `<Contents><Key>${key}</Key><ETag>&#34;e&#34;</ETag><Size>7</Size></Contents>`;
    answer = (request, response) => {
      const second = request.url?.includes('continuation-token=t%2F1');
      const rest = second
        ? `${entry('p/%00%26+c')}<IsTruncated>false</IsTruncated>`
        : `${entry('p/0012')}${entry('p/%0A')}<IsTruncated>true</IsTruncated><NextContinuationToken>t/1</NextContinuationToken>`;
      response.end(`${LIST}${rest}</ListBucketResult>`);
    };
    expect(await listAll()).to.eql(['p/0012', 'p/\n', 'p/\0& c'].map((key) => ({ key, etag: 'e', size: 7 })));
  });

  it('never takes a proxy’s page for an empty bucket', async () => {
    answers(200, '<html><body>Please log in</body></html>');
    expect(await failureOf(listAll())).to.include({ kind: 'server', s3Code: 'NotS3' });
    expect(await failureOf(s3.put('k', Buffer.from('x'), {}, absent))).to.include({ s3Code: 'NotS3' });
    expect(await failureOf(s3.get('k'))).to.include({ s3Code: 'NotS3' });
    expect(await failureOf(s3.startUpload('k', {}))).to.include({ s3Code: 'NotS3' });
  });

  it('never takes a list that ends in the middle for the whole', async () => {
    answers(200, `${LIST}<IsTruncated>true</IsTruncated></ListBucketResult>`);
    expect(await failureOf(listAll())).to.include({ kind: 'server', s3Code: 'NotS3' });
  });

  it('finds the failure in an answer that began as a success', async () => {
    answers(200, '<?xml version="1.0"?>\n<Error><Code>InternalError</Code><Message>later</Message></Error>');
    const failure = await failureOf(s3.completeUpload('k', 'u', [{ number: 1, etag: 'a"b' }], absent));
    expect(failure).to.include({ kind: 'server', s3Code: 'InternalError' });
    expect(requests[0]?.body).to.contain('<ETag>&quot;a&#34;b&quot;</ETag>');
  });

  for (const [status, body, kind, code] of [
    [412, '<Error><Code>PreconditionFailed</Code></Error>', 'precondition', 'PreconditionFailed'],
    [404, '<Error><Code>NoSuchKey</Code></Error>', 'missing', 'NoSuchKey'],
    [404, '<Error><Code>NoSuchBucket</Code></Error>', 'bucket', 'NoSuchBucket'],
    [403, '<Error><Code>AccessDenied</Code></Error>', 'bucket', 'AccessDenied'],
    [503, '<Error><Code>SlowDown</Code></Error>', 'busy', 'SlowDown'],
    [400, '<Error><Code>SlowDown</Code></Error>', 'busy', 'SlowDown'],
    [400, '<Error><Code>RequestTimeout</Code></Error>', 'network', 'RequestTimeout'],
    [400, '<Error><Code>IncompleteBody</Code></Error>', 'network', 'IncompleteBody'],
    [400, '<Error><Code>BadDigest</Code></Error>', 'network', 'BadDigest'],
    [400, '<Error><Code>XAmzContentSHA256Mismatch</Code></Error>', 'network', 'XAmzContentSHA256Mismatch'],
    [400, '<Error><Code>InvalidArgument</Code></Error>', 'object', 'InvalidArgument'],
    [501, '<Error><Code>NotImplemented</Code></Error>', 'unsupported', 'NotImplemented'],
    [502, '<html>Bad Gateway</html>', 'server', 'HTTP502'],
    [500, '', 'server', 'HTTP500'],
  ] as const) {
    it(`tells ${status} ${code} as ${kind}`, async () => {
      answers(status, body);
      expect(await failureOf(s3.put('k', Buffer.from('x'), {}, absent))).to.include({
        kind,
        s3Code: code,
        status,
      });
    });
  }

  it('knows by the status alone what a HEAD misses', async () => {
    answers(404, '');
    expect(await s3.head('k')).to.equal(null);
  });

  describe('with keys that end', () => {
    const old = { accessKeyId: 'old', secretAccessKey: 's', sessionToken: 't' };
    const young = { ...old, accessKeyId: 'young' };
    let held: typeof old;
    let renewing: S3Client;

    beforeEach(() => {
      held = old;
      const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      const session = { current: () => Promise.resolve(held), refused: () => void (held = young) };
      renewing = new S3Client({ bucket: 'ws', region: 'eu-x', endpoint, session });
    });
    afterEach(() => renewing.close());
    const takesOnlyYoung = (status: number, code: string) => {
      answer = (request, response) => {
        const isYoung = request.headers.authorization?.includes('Credential=young/');
        if (isYoung) response.writeHead(200, { etag: '"e"' }).end();
        else response.writeHead(status).end(`<Error><Code>${code}</Code></Error>`);
      };
    };
    const sent = () =>
      requests.map(
        ({ line, headers }) => `${line} ${/Credential=(\w+)/.exec(headers.authorization ?? '')?.[1]}`,
      );

    it('takes others and repeats the request', async () => {
      takesOnlyYoung(400, 'ExpiredToken');
      expect(await renewing.put('k', Buffer.from('x'), {}, absent)).to.deep.equal({ etag: 'e' });
      expect(sent()).to.deep.equal(['PUT /ws/k old', 'PUT /ws/k young']);
    });

    for (const [status, code] of [
      [400, 'ExpiredToken'],
      [403, 'InvalidAccessKeyId'],
    ] as const)
      it(`asks by a GET why a HEAD is refused with ${status}`, async () => {
        takesOnlyYoung(status, code);
        expect(await renewing.head('k')).to.include({ etag: 'e' });
        expect(sent()).to.deep.equal(['HEAD /ws/k old', 'GET /ws/k old', 'HEAD /ws/k young']);
      });

    it('leaves keys alone that only lack the right', async () => {
      takesOnlyYoung(403, 'AccessDenied');
      expect((await failureOf(renewing.head('k'))).status).to.equal(403);
      expect((await failureOf(renewing.put('k', Buffer.from('x'), {}, absent))).s3Code).to.equal(
        'AccessDenied',
      );
      expect(held).to.equal(old);
    });

    it('tries only once more', async () => {
      takesOnlyYoung(403, 'InvalidAccessKeyId');
      const stubborn = { current: () => Promise.resolve(old), refused: () => undefined };
      const { port } = server.address() as AddressInfo;
      const client = new S3Client({
        bucket: 'ws',
        region: 'eu-x',
        endpoint: `http://127.0.0.1:${port}`,
        session: stubborn,
      });
      expect((await failureOf(client.put('k', Buffer.from('x'), {}, absent))).s3Code).to.equal(
        'InvalidAccessKeyId',
      );
      expect(requests).to.have.length(2);
      client.close();
    });
  });

  it('learns the server’s time when it is told that its own is wrong', async () => {
    const hour = 3_600_000;
    answers(403, '<Error><Code>RequestTimeTooSkewed</Code></Error>', {
      date: new Date(Date.now() + 2 * hour).toUTCString(),
    });
    expect(await failureOf(s3.head('k'))).to.include({ s3Code: 'HTTP403' });
    expect(await failureOf(s3.get('k'))).to.include({ kind: 'server', s3Code: 'RequestTimeTooSkewed' });
    await failureOf(s3.get('k'));
    const [, before, after] = requests.map(({ headers }) => timeOf(String(headers['x-amz-date'])));
    expect((after ?? 0) - (before ?? 0)).to.be.within(1.9 * hour, 2.1 * hour);
  });

  it('tells a broken connection, also in the middle of an answer', async () => {
    answer = (request) => request.socket.destroy();
    expect(await failureOf(s3.head('k'))).to.include({ kind: 'network', s3Code: 'ECONNRESET' });
    answer = (request, response) => {
      response.writeHead(200, { 'content-length': '1000', etag: '"e"' });
      response.write('<', () => request.socket.destroy());
    };
    expect(await failureOf(listAll())).to.include({ kind: 'network' });
    const { body } = await s3.get('k');
    expect(await failureOf(collect(body))).to.be.an('error');
  });

  it('stops when it is told to', async () => {
    const stop = new AbortController();
    answer = () => stop.abort(new Error('enough'));
    expect(await failureOf(s3.get('k', stop.signal))).to.have.property('message', 'enough');
  });

  it('addresses a bucket on AWS by its host name, unless a dot in it would break the certificate', () => {
    const at = (bucket: string, region: string, endpoint?: string) => {
      const { origin, folder } = addressOf({ bucket, region, endpoint });
      return `${origin.origin}${folder}`;
    };
    expect(at('ws', 'eu-central-1')).to.equal('https://ws.s3.eu-central-1.amazonaws.com');
    expect(at('my.ws', 'us-east-1')).to.equal('https://s3.us-east-1.amazonaws.com/my.ws');
    expect(at('ws', 'cn-north-1')).to.equal('https://ws.s3.cn-north-1.amazonaws.com.cn');
    expect(at('ws', 'x', 'http://[::1]:9000/base/')).to.equal('http://[::1]:9000/base/ws');
  });
});

const timeOf = (stamp: string) =>
  Date.parse(stamp.replace(/^(....)(..)(..)T(..)(..)(..)Z$/, '$1-$2-$3T$4:$5:$6Z'));
