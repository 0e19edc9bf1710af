import { mkdtemp, readdir, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { lostDeclaration } from '../../../controller/plan/adopt.js';
import { plan } from '../../../controller/plan/plan.js';
import { Absences } from '../../../controller/reconcile/absences.js';
import { recoverRecords } from '../../../controller/reconcile/recover.js';
import type { ClusterView } from '../../../controller/ports/cluster.js';
import type { Observed } from '../../../shared/model/observed.js';
import { openRecords, type Records } from '../../../shared/store/records.js';
import { identityOf } from '../../../shared/store/watch-folder.js';
import { FakeClock } from '../../fakes/clock.js';
import { eventually } from '../../support/swarm.js';
import { declare, fullWorld, ID, inputOf } from '../../support/planning.js';

const desired = declare();
const world = fullWorld(desired);
const service = world.service;
const running = plan(inputOf(desired, world)).observed as Observed;
const absent = { declaration: { kind: 'absent' }, observed: null, service, folderLost: false } as const;

describe('a workspace whose records were lost', () => {
  it('is declared again by what its service says, and goes on without a restart', () => {
    const declaration = lostDeclaration(absent);
    expect(declaration).to.deep.equal(desired);
    const { observed, actions } = plan(inputOf(declaration, world));
    expect(actions).to.deep.equal([]);
    expect(observed).to.deep.include({ phase: 'running', runId: 'run-1' });
  });

  it('is kept on record as stopped when its container was ending, until its files are saved', () => {
    const ending = service && { ...service, replicas: 0 };
    const declaration = lostDeclaration({ ...absent, service: ending });
    expect(declaration?.spec.state).to.equal('stopped');
    const { observed, actions } = plan(inputOf(declaration, { ...world, service: ending, tasks: [] }));
    expect(actions.map(({ type }) => type)).to.deep.equal(['removeService']);
    const gone = { ...world, service: null, network: null, receipt: null };
    const next = plan(inputOf(declaration, gone, { observed }));
    expect(next.actions, 'nobody knows what it had not saved').to.deep.equal([]);
  });

  it('ends when its service does not say what it was declared with', () => {
    const of = (declaration: string | null) =>
      lostDeclaration({ ...absent, service: service && { ...service, declaration } });
    expect([of(null), of('{'), of('{}')]).to.deep.equal([null, null, null]);
  });

  it('ends when only its file was removed, not the folder', () => {
    expect(lostDeclaration({ ...absent, observed: running })).to.equal(null);
    expect(lostDeclaration({ ...absent, observed: running, folderLost: true })).to.deep.equal(desired);
  });

  it('stays ended when its file had been removed before the others were lost', () => {
    const lost = (change: Partial<Observed>) =>
      lostDeclaration({ ...absent, observed: { ...running, ...change }, folderLost: true });
    expect(lost({ phase: 'stopping', shutdownReason: 'OperatorRequest' })).to.equal(null);
    expect(lost({ phase: 'stopped', shutdownReason: 'UserRequest' })).to.equal(null);
    const halt = { generation: running.observedGeneration, reason: 'Crashed', message: '' } as const;
    expect(lost({ phase: 'stopped', shutdownReason: 'Crashed', halt })).to.deep.equal(desired);
    const idle = declare({ state: 'stopped' });
    expect(lost({ phase: 'stopped', shutdownReason: 'Inactivity', declared: idle })).to.deep.equal(idle);
  });
});

describe('records that are lost', function () {
  // A folder is looked at once a second.
  this.timeout(70_000);

  let folder: string;
  let records: Records;
  beforeEach(async () => {
    folder = await mkdtemp(path.join(os.tmpdir(), 'berth-lost-'));
    records = await openRecords(folder);
    await records.desired.mark();
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));
  const view: ClusterView = {
    services: [],
    tasks: [],
    leavers: [],
    networks: [],
    volumes: [],
    gateway: null,
  };

  it('are told from removed ones only after they have been gone for a while', async () => {
    const clock = new FakeClock();
    const absences = new Absences(records.desired, clock);
    const judge = () => absences.judge(ID, { observed: running, service });
    expect(await judge()).to.deep.equal({ kind: 'unclear', lookAgainMs: 1000 });
    await clock.advance(1000);
    expect(await judge()).to.deep.equal({ kind: 'removed' });
    await rm(path.join(folder, 'desired'), { recursive: true });
    expect(await judge(), 'the folder is to be made anew first').to.deep.equal({
      kind: 'unclear',
      lookAgainMs: 1000,
    });
    absences.forget(ID);
    expect((await judge()).kind).to.equal('unclear');
    expect((await absences.judge(ID, { observed: null, service })).kind).to.equal('lost');
  });

  it('are made anew with their folders, from the records and from the services that are left', async () => {
    await records.observed.write(ID, running);
    await rm(path.join(folder, 'desired'), { recursive: true });
    await rm(path.join(folder, 'reports'), { recursive: true });
    const other = declare({}, { id: 'other' });
    const told = { ...service, workspaceId: 'other', declaration: JSON.stringify(other) };
    const recovered = await recoverRecords(records, { ...view, services: [told as never] });
    expect(recovered.sort()).to.deep.equal([ID, 'other']);
    expect(await records.desired.read(ID)).to.deep.include({ kind: 'valid', value: desired });
    expect(await records.desired.read('other')).to.deep.include({ kind: 'valid', value: other });
    expect(await readdir(path.join(folder, 'reports'))).to.deep.equal([]);
    await records.desired.remove(ID);
    expect(await recoverRecords(records, view), 'now it was removed').to.deep.equal([]);
  });

  it('are watched again in a folder that was made anew, and written into one that is missing', async () => {
    const ended = new AbortController();
    try {
      const heard: string[] = [];
      records.desired.watch((id) => heard.push(id), ended.signal);
      await eventually('a hint', async () => {
        await records.desired.write(ID, desired);
        return heard.includes(ID);
      });
      const before = await identityOf(path.join(folder, 'desired'));
      await rm(path.join(folder, 'desired'), { recursive: true });
      heard.length = 0;
      await eventually('a hint again', async () => {
        await records.desired.write('again', declare({}, { id: 'again' }));
        return heard.includes('again');
      });
      expect(await identityOf(path.join(folder, 'desired'))).not.to.equal(before);
    } finally {
      ended.abort();
    }
  });
});
