import { createHash } from 'node:crypto';
import { once } from 'node:events';
import fs from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import { S3Client } from '../../../shared/s3/client.js';
import { collect } from '../../../shared/s3/collect.js';
import { Replica } from '../../support/agent/replica.js';

const MINUTE = 60_000;
const EMPTY =
  '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><IsTruncated>false</IsTruncated></ListBucketResult>';

describe('agent: sync with a clock that is off', () => {
  let server: Server;
  /** How far the server's clock is ahead. */
  let aheadMs: number;
  let stored: Map<string, string>;
  let refusals: number;
  let s3: S3Client;
  let replica: Replica;

  beforeEach(async () => {
    aheadMs = 0;
    refusals = 0;
    stored = new Map();
    server = createServer((request, response) => void answer(request, response)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    s3 = new S3Client({ bucket: 'ws', region: 'eu-x', endpoint, accessKeyId: 'id', secretAccessKey: 'no' });
    replica = await new Replica(s3).start();
  });
  afterEach(() => {
    replica.dispose();
    s3.close();
    server.closeAllConnections();
    server.close();
  });

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await collect(request);
    const now = Date.now() + aheadMs;
    response.setHeader('date', new Date(now).toUTCString());
    // As AWS does, from a quarter of an hour on.
    if (Math.abs(now - timeOf(request.headers['x-amz-date'])) > 15 * MINUTE) {
      refusals += 1;
      response.writeHead(403).end('<Error><Code>RequestTimeTooSkewed</Code></Error>');
      return;
    }
    if (request.method === 'PUT') {
      stored.set(request.url ?? '', body.toString());
      response.setHeader('etag', `"${createHash('md5').update(body).digest('hex')}"`);
    }
    response.end(request.method === 'GET' ? EMPTY : '');
  }

  for (const hours of [2, -2])
    it(`goes on by the server’s time when that is ${hours} hours from its own, and again once it is mended`, async () => {
      aheadMs = hours * 60 * MINUTE;
      fs.writeFileSync(replica.at('f'), 'one');
      await replica.engine.cycle();
      expect(replica.engine.status()).to.include({ error: null, pendingFiles: 0 });
      expect([stored.get('/ws/f'), refusals]).to.deep.equal(['one', 1]);
      aheadMs = 0;
      fs.writeFileSync(replica.at('g'), 'two');
      await replica.engine.cycle();
      expect(replica.engine.status()).to.include({ error: null, pendingFiles: 0 });
      expect([stored.get('/ws/g'), refusals]).to.deep.equal(['two', 2]);
    });
});

const timeOf = (stamp: unknown) =>
  Date.parse(String(stamp).replace(/^(....)(..)(..)T(..)(..)(..)Z$/, '$1-$2-$3T$4:$5:$6Z'));
