import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { archive } from '../../../controller/reconcile/archiver.js';
import { NotYetError } from '../../../controller/ports/errors.js';
import { openRecords, type Records } from '../../../shared/store/records.js';
import { desired, stopped } from '../api/fixtures.js';

const NOW = new Date('2026-02-03T00:00:00.000Z');

describe('Archive of ended workspaces (R6.6)', () => {
  let folder: string;
  let records: Records;
  beforeEach(async () => {
    folder = await mkdtemp(path.join(os.tmpdir(), 'berth-archive-'));
    records = await openRecords(folder);
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  async function declare(): Promise<string> {
    await records.observed.write('one', stopped(desired()));
    const etag = await records.desired.write('one', desired());
    const file = path.join(folder, 'desired/one.yaml');
    await writeFile(file, `# ours\n${await readFile(file, 'utf8')}`);
    const read = await records.desired.read('one');
    return read.kind === 'valid' ? read.etag : etag;
  }

  it('takes all records along, the declaration as it was written', async () => {
    const etag = await declare();
    const observed = stopped(desired());
    await archive(records, { observed, report: null, etag }, NOW);
    expect([...(await records.desired.ids()), ...(await records.observed.ids())]).to.deep.equal([]);
    expect((await records.archive.index()).ids).to.deep.equal(['one']);
    const archived = { archivedAt: NOW.toISOString(), observed, report: null };
    expect(await records.archive.newest('one')).to.deep.equal(archived);
    expect(await readdir(path.join(folder, 'archive'))).to.deep.equal(['2026-01']);
    const yaml = path.join(folder, 'archive/2026-01/one.20260102T040000000Z.yaml');
    expect(await readFile(yaml, 'utf8')).to.match(/^# ours\n/);
  });

  it('makes good what was broken off, once', async () => {
    const etag = await declare();
    const observed = stopped(desired());
    await records.archive.add({ archivedAt: NOW.toISOString(), observed, report: null });
    await records.desired.remove('one');
    await archive(records, { observed, report: null, etag }, new Date(NOW.getTime() + 60_000));
    expect(await readdir(path.join(folder, 'archive/2026-01'))).to.have.length(1);
    expect(await records.observed.ids()).to.deep.equal([]);
  });

  it('leaves a declaration alone that was changed in the last moment', async () => {
    const etag = await declare();
    await records.desired.write('one', desired('one', { metadata: { startRequestedAt: NOW.toISOString() } }));
    const failure = await archive(records, { observed: stopped(desired()), report: null, etag }, NOW).catch(
      (error: unknown) => error,
    );
    expect(failure).to.be.instanceOf(NotYetError);
    const read = await records.desired.read('one');
    expect(read.kind === 'valid' && read.value.metadata.startRequestedAt).to.equal(NOW.toISOString());
    expect(await records.observed.ids()).to.deep.equal(['one']);
  });

  it('knows the newest of several lives of one name', async () => {
    for (const stoppedAt of [
      '2026-01-02T04:00:00.000Z',
      '2026-03-02T04:00:00.000Z',
      '2026-02-02T04:00:00.000Z',
    ])
      await records.archive.add({
        archivedAt: NOW.toISOString(),
        observed: stopped(desired(), { stoppedAt }),
        report: null,
      });
    expect((await records.archive.newest('one'))?.observed.stoppedAt).to.equal('2026-03-02T04:00:00.000Z');
    expect((await records.archive.index()).ids).to.deep.equal(['one']);
    expect(await records.archive.newest('on')).to.equal(null);
  });
});
