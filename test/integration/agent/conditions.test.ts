import { expect } from 'chai';
import { missingConditions } from '../../../shared/s3/probe.js';
import type { S3Port } from '../../../shared/s3/s3-port.js';
import { FakeS3 } from '../../fakes/s3.js';
import { RcloneServer } from '../../support/agent/rclone-server.js';
import { Seaweed } from '../../support/agent/seaweed.js';

const ALL = ['If-None-Match', 'If-Match', 'If-Match of DELETE'];

async function keysIn(s3: S3Port): Promise<string[]> {
  const keys: string[] = [];
  for await (const page of s3.list('')) keys.push(...page.map(({ key }) => key));
  return keys;
}

describe('conditions of writes are found', function () {
  this.timeout(60_000);

  it('on SeaweedFS', async () => {
    const weed = new Seaweed();
    await weed.start();
    const s3 = weed.client('probe');
    try {
      await s3.createBucket();
      expect(await missingConditions(s3, 'p/')).to.deep.equal([]);
      expect(await keysIn(s3)).to.deep.equal([]);
    } finally {
      s3.close();
      await weed.stop();
    }
  });

  it('missing on a server that overlooks them', async () => {
    const server = new RcloneServer();
    await server.start('probe');
    const s3 = server.client('probe');
    try {
      expect(await missingConditions(s3, 'p/')).to.deep.equal(ALL);
      expect(await keysIn(s3)).to.deep.equal([]);
    } finally {
      s3.close();
      await server.stop();
    }
  });

  it('on the server in memory, each of them', async () => {
    const s3 = new FakeS3();
    expect(await missingConditions(s3, '')).to.deep.equal([]);
    s3.heeds = ({ method }) => method !== 'remove';
    expect(await missingConditions(s3, '')).to.deep.equal(['If-Match of DELETE']);
    s3.heeds = (_call, { kind }) => kind !== 'match';
    expect(await missingConditions(s3, '')).to.deep.equal(['If-Match', 'If-Match of DELETE']);
    s3.heeds = (_call, { kind }) => kind !== 'absent';
    expect(await missingConditions(s3, '')).to.deep.equal(['If-None-Match']);
    s3.refusesConditions = true;
    expect(await missingConditions(s3, '')).to.deep.equal(ALL);
    expect([...s3.objects.keys()]).to.deep.equal([]);
  });
});
