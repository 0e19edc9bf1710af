import fs from 'node:fs';
import { expect } from 'chai';
import { receiptKey } from '../../../shared/model/bucket-layout.js';
import { manifestOf, receiptSchema, type Receipt } from '../../../shared/model/receipt.js';
import { S3Error } from '../../../shared/s3/s3-error.js';
import { FakeS3 } from '../../fakes/s3.js';
import { Replica } from '../../support/agent/replica.js';

const inAMinute = () => AbortSignal.timeout(60_000);

describe('agent: the receipt of a run', () => {
  let s3: FakeS3;
  const replicas: Replica[] = [];
  beforeEach(() => {
    s3 = new FakeS3();
  });
  afterEach(() => replicas.splice(0).forEach((replica) => replica.dispose()));

  const started = async (runId: string) => {
    const replica = new Replica(s3, { prefix: 'p', run: { workspaceId: 'w', runId, prefix: 'p' } });
    replicas.push(replica);
    return replica.start();
  };
  const receiptOf = (runId: string): Receipt | null => {
    const object = s3.objects.get(receiptKey('p', 'w', runId));
    return object === undefined ? null : receiptSchema.parse(JSON.parse(object.body.toString()));
  };

  it('is in the bucket once everything else is, and names what is there', async () => {
    const one = await started('run-1');
    fs.writeFileSync(one.at('a'), 'content');
    fs.mkdirSync(one.at('empty'));
    const { finalSync, exitCode } = await one.engine.final(inAMinute());
    expect(exitCode).to.equal(0);
    const receipt = receiptOf('run-1');
    expect(receipt).to.include({ workspaceId: 'w', runId: 'run-1', files: 1, bytes: 7, objects: 2 });
    const listed = [...s3.objects].map(([key, { etag, size }]) => ({ key, etag, size }));
    expect(receipt?.manifest).to.equal(manifestOf(listed, 'p/').manifest);
    expect(finalSync).to.include({ ok: true, receipt: receipt?.manifest });
  });

  it('replaces that of the run before', async () => {
    const one = await started('run-1');
    await one.engine.final(inAMinute());
    const two = await started('run-2');
    await two.engine.final(inAMinute());
    expect(receiptOf('run-1')).to.equal(null);
    expect(receiptOf('run-2')).not.to.equal(null);
  });

  it('is written only after what the server does not list was sent again', async () => {
    const one = await started('run-1');
    fs.writeFileSync(one.at('a'), 'content');
    await one.engine.cycle();
    s3.objects.delete('p/a');
    const { exitCode } = await one.engine.final(inAMinute());
    expect(exitCode).to.equal(0);
    expect(s3.objects.get('p/a')?.body.toString()).to.equal('content');
    expect(receiptOf('run-1')?.objects).to.equal(1);
  });

  it('is not written, and nothing confirmed, when the server refuses it', async () => {
    const one = await started('run-1');
    fs.writeFileSync(one.at('a'), 'content');
    s3.fault = ({ key }) => (key.includes('receipts') ? new S3Error('bucket', 'AccessDenied', 'no') : null);
    const { finalSync, exitCode } = await one.engine.final(inAMinute());
    expect(exitCode).to.equal(76);
    expect(finalSync.ok).to.equal(false);
    expect(finalSync.message).to.contain('AccessDenied');
  });

  it('is not needed where nothing ever was', async () => {
    s3.bucketExists = false;
    const one = new Replica(s3, { prefix: 'p', run: { workspaceId: 'w', runId: 'run-1', prefix: 'p' } });
    replicas.push(one);
    await one.open();
    const refused = await one.engine.restore(new AbortController().signal, () => undefined).catch(String);
    expect(refused).to.contain('NoSuchBucket');
    const finalSync = await one.engine.nothingToSave();
    expect(finalSync).to.include({ ok: true, files: 0 });
    expect(finalSync).not.to.have.property('receipt');
  });

  it('is not said to be needless while the disk has something', async () => {
    s3.bucketExists = false;
    const one = new Replica(s3, { prefix: 'p', run: { workspaceId: 'w', runId: 'run-1', prefix: 'p' } });
    replicas.push(one);
    await one.open();
    await one.engine.restore(new AbortController().signal, () => undefined).catch(() => undefined);
    fs.writeFileSync(one.at('a'), 'content');
    expect(await one.engine.nothingToSave()).to.equal(null);
  });

  it('counts files and folders, never what is reserved', () => {
    const list = (keys: string[]) => keys.map((key) => ({ key, etag: 'e', size: 1 }));
    const all = list(['p/a', 'p/.berth/d/x', 'p/.berth/home/y', 'p/.berth/receipts/w/r.json']);
    expect(manifestOf(all, 'p/').objects).to.equal(2);
    expect(manifestOf(all.reverse(), 'p/')).to.deep.equal(manifestOf(list(['p/.berth/d/x', 'p/a']), 'p/'));
  });
});
