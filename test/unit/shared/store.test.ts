import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { RecordConflictError } from '../../../shared/errors.js';
import { desiredSchema, type Desired } from '../../../shared/model/desired.js';
import { yamlCodec } from '../../../shared/store/codec.js';
import { RecordFolder } from '../../../shared/store/record-folder.js';

describe('RecordFolder', () => {
  let folder: string;
  let records: RecordFolder<Desired>;
  const record = (bucket = 'demo') =>
    desiredSchema.parse({
      apiVersion: 'berth/v1',
      kind: 'Workspace',
      metadata: { id: 'demo' },
      spec: { bucket },
    });
  const file = () => path.join(folder, 'demo.yaml');

  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'berth-store-'));
    records = new RecordFolder(folder, yamlCodec, desiredSchema);
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  it('reads what it wrote, and absence after removal', async () => {
    const etag = await records.write('demo', record());
    expect(await records.read('demo')).to.deep.equal({ kind: 'valid', value: record(), etag });
    await records.remove('demo');
    await records.remove('demo');
    expect(await records.read('demo')).to.deep.equal({ kind: 'absent' });
  });

  it('leaves no temporary file behind', async () => {
    await records.write('demo', record());
    expect(await readdir(folder)).to.deep.equal(['demo.yaml']);
  });

  it("keeps operators' comments, order and style when a program changes a value", async () => {
    const text = `# my workspace
kind: Workspace
apiVersion: berth/v1
metadata: { id: demo } # short
spec:
  # the team's bucket
  bucket: demo
  state: running # until Friday
  prefix: ""
  image: berth/workspace
  resources: { cpus: 2, memoryBytes: 4294967296 }
`;
    await writeFile(file(), text);
    const read = await records.read('demo');
    if (read.kind !== 'valid') throw new Error('not valid');
    await records.write('demo', { ...read.value, spec: { ...read.value.spec, state: 'stopped' } });
    const after = await readFile(file(), 'utf8');
    expect(after).to.contain('# my workspace');
    expect(after).to.contain("# the team's bucket");
    expect(after).to.contain('state: stopped # until Friday');
    expect(after.indexOf('kind:')).to.be.lessThan(after.indexOf('apiVersion:'));
  });

  for (const [what, text, change] of [
    [
      'changes no other value that shares an anchor with it',
      'metadata: { id: demo, labels: { team: *p } }',
      (spec: object, metadata: object) => ({ spec: { ...spec, prefix: 'other' }, metadata }),
    ],
    [
      'removes a value whose anchor others need',
      'metadata: { id: demo, labels: { team: *p } }',
      ({ prefix: _prefix, ...spec }: { prefix?: string }, metadata: object) => ({ spec, metadata }),
    ],
    [
      'removes a map whose anchor others need',
      'metadata: { id: demo, annotations: &a { team: x }, labels: *a }',
      (spec: object, { annotations: _annotations, ...metadata }: { annotations?: object }) => ({
        spec,
        metadata,
      }),
    ],
  ] as const)
    it(what, async () => {
      const head = 'apiVersion: berth/v1\nkind: Workspace\nspec: { bucket: demo, prefix: &p team }\n';
      await writeFile(file(), `${head}${text}\n`);
      const read = await records.read('demo');
      if (read.kind !== 'valid') throw new Error('not valid');
      const wanted = desiredSchema.parse({ ...read.value, ...change(read.value.spec, read.value.metadata) });
      await records.write('demo', wanted);
      const after = await records.read('demo');
      expect(after.kind === 'valid' && after.value).to.deep.equal(wanted);
    });

  it('reports a broken file with line and reason, and does not touch it', async () => {
    const text = 'apiVersion: berth/v1\nkind: Workspace\n  metadata: [';
    await writeFile(file(), text);
    const read = await records.read('demo');
    if (read.kind !== 'invalid') throw new Error('not invalid');
    expect(read.problem.message).to.match(/^demo\.yaml:\d+: /);
    expect(await readFile(file(), 'utf8')).to.equal(text);
  });

  for (const text of ['', '# only a comment\n', 'null\n']) {
    it(`never takes a file that says nothing for an absent one: ${JSON.stringify(text)}`, async () => {
      await writeFile(file(), text);
      expect((await records.read('demo')).kind).to.equal('invalid');
    });
  }

  it('reports aliases that would unfold without end, and several documents in one file', async () => {
    const bomb = [
      'a: &a [x,x,x,x,x,x,x,x,x]',
      ...['b', 'c', 'd', 'e', 'f'].map((name, index) => {
        const before = 'abcdef'[index];
        return `${name}: &${name} [${Array(9).fill(`*${before}`).join(',')}]`;
      }),
    ].join('\n');
    for (const [text, problem] of [
      [bomb, /alias/],
      ['a: 1\n---\nb: 2\n', /several documents/],
    ] as const) {
      await writeFile(file(), text);
      const read = await records.read('demo');
      expect(read.kind === 'invalid' && read.problem.message).to.match(problem);
    }
  });

  it('reports a wrong value with its field and line', async () => {
    await writeFile(
      file(),
      'apiVersion: berth/v1\nkind: Workspace\nmetadata:\n  id: demo\nspec:\n  bucket: NO\n',
    );
    const read = await records.read('demo');
    if (read.kind !== 'invalid') throw new Error('not invalid');
    expect(read.problem.message).to.match(/^demo\.yaml:6: spec\.bucket: /);
  });

  it('lets exactly one of many creators win', async () => {
    const results = await Promise.allSettled(
      Array.from({ length: 10 }, () =>
        new RecordFolder(folder, yamlCodec, desiredSchema).write('demo', record(), { ifMatch: null }),
      ),
    );
    expect(results.filter((result) => result.status === 'fulfilled')).to.have.length(1);
    for (const result of results) {
      if (result.status === 'rejected') expect(result.reason).to.be.instanceOf(RecordConflictError);
    }
  });

  it('refuses to overwrite what changed since it was read', async () => {
    const etag = await records.write('demo', record());
    await records.write('demo', record('other'));
    const refused = await records
      .write('demo', record('mine'), { ifMatch: etag })
      .catch((error: unknown) => error);
    expect(refused).to.be.instanceOf(RecordConflictError);
  });

  it('lists only records, and never lets an id out of the folder', async () => {
    await writeFile(path.join(folder, 'demo.yaml.swp'), '');
    await writeFile(path.join(folder, '.demo.yaml.123'), '');
    await writeFile(path.join(folder, 'NOT-AN-ID.yaml'), '');
    await records.write('demo', record());
    expect(await records.ids()).to.deep.equal(['demo']);
    const error = await records.read('../secrets').catch((reason: unknown) => reason);
    expect(error).to.be.instanceOf(Error);
  });
});
