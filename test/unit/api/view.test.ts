import { expect } from 'chai';
import { plan } from '../../../controller/plan/plan.js';
import { InvalidRecordError } from '../../../shared/errors.js';
import type { Desired } from '../../../shared/model/desired.js';
import { observedSchema } from '../../../shared/model/observed.js';
import type { Facts } from '../../../api/services/facts.js';
import { etagOfView, viewOf } from '../../../api/services/view.js';
import type { WorkspaceView } from '../../../shared/model/view.js';
import {
  declare,
  EMPTY_WORLD,
  fullWorld,
  inputOf,
  NOW as plannedAt,
  reportOf,
  saved,
} from '../../support/planning.js';
import { desired, NOW, observed, report, stopped } from './fixtures.js';

const SETTINGS = {
  BERTH_DOMAIN: 'berth.localhost',
  BERTH_HTTPS_PORT: 443,
  BERTH_ALLOWED_IMAGES: ['berth/workspace', 'berth/testspace'],
  BERTH_IDLE_TIMEOUT: '10m',
  BERTH_ACTIVITY_SIGNALS: ['files' as const],
};
const DELETED = { metadata: { deletionRequestedAt: NOW } };

function facts(declared: Desired | null, rest: Partial<Facts> = {}): Facts {
  return {
    id: 'one',
    desired: declared ? { kind: 'valid', value: declared, etag: 'e1', since: NOW } : { kind: 'absent' },
    observed: null,
    report: null,
    ...rest,
  };
}

function broken(rest: Partial<Facts> = {}): Facts {
  const problem = new InvalidRecordError('one.yaml', 'spec.bucket: too short', 7);
  return facts(null, { desired: { kind: 'invalid', problem, since: NOW }, ...rest });
}

function view(given: Facts, settings = SETTINGS): WorkspaceView {
  const shown = viewOf(given, settings);
  if (shown === null) throw new Error('there is no view');
  return shown;
}

const stored = (runId = 'run-1') => ({ ...report({ runId }), receivedAt: NOW });

describe('view of a workspace', () => {
  it('is nothing when nothing is on record', () => {
    expect(viewOf(facts(null), SETTINGS)).to.equal(null);
    expect(viewOf(facts(null, { report: stored() }), SETTINGS)).to.equal(null);
  });

  it('shows a new declaration as starting, with what it declares', () => {
    const declared = desired('one', {
      spec: { prefix: 'a/b', image: 'berth/testspace', resources: { cpus: 1 } },
    });
    expect(view(facts(declared))).to.deep.equal({
      containerId: 'one',
      bucketId: 'demo',
      prefix: 'a/b',
      status: 'starting',
      urls: {
        vnc: 'https://one-vnc.berth.localhost',
        code: 'https://one-code.berth.localhost',
        web: 'https://one-web.berth.localhost',
      },
      image: 'berth/testspace',
      createdAt: NOW,
      startedAt: null,
      stoppedAt: null,
      shutdownReason: null,
      archivedAt: null,
      health: {
        status: 'unknown',
        checkedAt: null,
        message: 'Only running workspaces are checked.',
        services: { vnc: null, code: null, web: null },
        failures: 0,
      },
      message: 'It is declared; the controller has not taken it up yet.',
      lastActivityAt: null,
      activity: [],
      idleDeadline: null,
      lastSyncAt: null,
      sync: null,
      accessUrls: null,
      disk: null,
      finalSync: null,
      conditions: [],
      labels: { team: 'a' },
      resources: { cpus: 1, memoryBytes: 4 * 1024 ** 3 },
      links: { self: '/api/containers/one' },
    });
  });

  it('names the port in the URLs unless it is 443', () => {
    const { urls } = view(facts(desired()), { ...SETTINGS, BERTH_HTTPS_PORT: 8443 });
    expect(urls.code).to.equal('https://one-code.berth.localhost:8443');
  });

  it('shows what the controller observed of this declaration, and the report of the same run', () => {
    const declared = desired();
    const shown = view(facts(declared, { observed: observed(declared), report: stored() }));
    expect(shown).to.deep.include({
      status: 'running',
      message: 'All three URLs answer.',
      startedAt: '2026-01-02T03:04:07.000Z',
      lastActivityAt: '2026-01-02T03:04:30.000Z',
      lastSyncAt: '2026-01-02T03:05:00.000Z',
    });
    expect(shown.conditions.map(({ type }) => type)).to.deep.equal(['RoutesReady']);
  });

  it('passes over the report of another run', () => {
    const declared = desired();
    const shown = view(facts(declared, { observed: observed(declared), report: stored('run-0') }));
    expect(shown).to.deep.include({ status: 'running', lastActivityAt: null, lastSyncAt: null });
  });

  it("takes the final sync from the report until the controller's record has it", () => {
    const declared = desired('one', DELETED);
    const finalSync = { ok: true, at: NOW, files: 1, bytes: 2, failed: 0 };
    const given = facts(declared, { observed: observed(declared, { phase: 'stopping' }) });
    expect(view({ ...given, report: { ...stored(), finalSync } }).finalSync).to.deep.equal(finalSync);
    expect(view({ ...given, report: { ...stored('run-0'), finalSync } }).finalSync).to.equal(null);
  });

  it('of a stopped workspace keeps the receipt, what it counts, and when it was read back', () => {
    const deleted = declare({}, { deletionRequestedAt: plannedAt.toISOString() });
    const running = plan(inputOf(declare(), fullWorld(declare()))).observed;
    const report = reportOf('finished', { finalSync: saved });
    const world = { ...fullWorld(declare()), service: null, tasks: [] };
    const verified = plan(inputOf(deleted, world, { observed: running, report })).observed;
    // Looked at later, from the file alone, when the report is gone.
    const later = {
      observed: observedSchema.parse(JSON.parse(JSON.stringify(verified))),
      now: new Date(plannedAt.getTime() + 60_000),
    };
    const { observed } = plan(inputOf(deleted, EMPTY_WORLD, later));
    const given = { ...facts(deleted, { observed }), id: deleted.metadata.id };
    const shown = view(given);
    expect(shown).to.deep.include({ status: 'stopped', finalSync: saved });
    expect(shown.finalSync).to.include({ receipt: 'f'.repeat(64), files: 1, bytes: 1 });
    expect(shown.conditions.find(({ type }) => type === 'FinalSyncVerified')).to.deep.include({
      ...{ status: 'True', reason: 'Saved', lastTransitionTime: plannedAt.toISOString() },
    });
  });

  it('lets nothing of an earlier workspace of the same name leak into a new one', () => {
    const earlier = desired('one', { metadata: { uid: 'uid-0' }, spec: { bucket: 'other' } });
    const given = facts(desired(), { observed: stopped(earlier), report: stored() });
    expect(view(given)).to.deep.equal(view(facts(desired())));
  });

  it('lets nothing of an earlier declaration leak into a changed one that starts', () => {
    const changed = desired('one', { spec: { image: 'berth/testspace' } });
    const given = facts(changed, { observed: stopped(desired()), report: stored() });
    expect(view(given)).to.deep.equal(view(facts(changed)));
  });

  it('takes a file without uid for the one whose record has none', () => {
    const byHand = desired('one', { metadata: { uid: undefined } });
    expect(view(facts(byHand, { observed: observed(byHand) })).status).to.equal('running');
    expect(view(facts(byHand, { observed: observed(desired()) })).status).to.equal('starting');
  });

  describe('status', () => {
    const cases: [string, Desired | null, Facts['observed'], string][] = [
      ['running', desired(), observed(desired()), 'running'],
      ['observed as starting', desired(), observed(desired(), { phase: 'starting' }), 'starting'],
      ['ended by itself', desired(), stopped(desired()), 'stopped'],
      ['changed while it runs', desired('one', { spec: { prefix: 'x' } }), observed(desired()), 'starting'],
      ['deleted while it runs', desired('one', DELETED), observed(desired()), 'stopping'],
      ['deleted and stopped', desired('one', DELETED), stopped(desired()), 'stopped'],
      ['deleted, not seen yet', desired('one', DELETED), null, 'stopping'],
      [
        'declared as stopped while it runs',
        desired('one', { spec: { state: 'stopped' } }),
        observed(desired()),
        'stopping',
      ],
      [
        'declared as stopped and stopped',
        desired('one', { spec: { state: 'stopped' } }),
        stopped(desired()),
        'stopped',
      ],
      ['declared as stopped, not seen yet', desired('one', { spec: { state: 'stopped' } }), null, 'stopped'],
      ['file removed, still up', null, observed(desired()), 'running'],
      ['file removed, going', null, observed(desired(), { phase: 'stopping' }), 'stopping'],
    ];
    for (const [name, declared, seen, status] of cases) {
      it(`${name}: ${status}`, () => {
        expect(view(facts(declared, { observed: seen })).status).to.equal(status);
      });
    }

    it('keeps the history of what is being deleted, in words that fit', () => {
      const shown = view(facts(desired('one', DELETED), { observed: observed(desired()) }));
      expect(shown.startedAt).to.equal('2026-01-02T03:04:07.000Z');
      expect(shown.message).to.equal('Its end is declared; the controller has not finished it yet.');
    });
  });

  describe('of a broken declaration', () => {
    it('is stopped and says what is wrong where, when that is all there is', () => {
      const shown = view(broken());
      expect(shown).to.deep.include({ status: 'stopped', bucketId: null, resources: null, labels: {} });
      expect(shown.message).to.equal('Its declaration is invalid: one.yaml:7: spec.bucket: too short');
      expect(shown.conditions).to.deep.equal([
        {
          type: 'SpecValid',
          status: 'False',
          reason: 'Malformed',
          message: 'one.yaml:7: spec.bucket: too short',
          lastTransitionTime: NOW,
        },
      ]);
    });

    it('goes on as the last good declaration was observed', () => {
      const shown = view(broken({ observed: observed(desired()), report: stored() }));
      expect(shown).to.deep.include({
        status: 'running',
        bucketId: 'demo',
        message: 'All three URLs answer.',
      });
      expect(shown.lastSyncAt).to.equal('2026-01-02T03:05:00.000Z');
      expect(shown.conditions.map(({ type, status }) => `${type}=${status}`)).to.deep.equal([
        'SpecValid=False',
        'RoutesReady=True',
      ]);
    });

    it('keeps the time at which the controller found it broken, once', () => {
      const since = '2026-01-02T03:30:00.000Z';
      const known = {
        type: 'SpecValid',
        status: 'False',
        reason: 'x',
        message: 'x',
        lastTransitionTime: since,
      } as const;
      const shown = view(broken({ observed: observed(desired(), { conditions: [known] }) }));
      expect(shown.conditions).to.have.length(1);
      expect(shown.conditions[0]).to.deep.include({ reason: 'Malformed', lastTransitionTime: since });
    });

    it('counts an image that is not allowed as broken, but not when it shall end', () => {
      const settings = { ...SETTINGS, BERTH_ALLOWED_IMAGES: ['berth/testspace'] };
      const given = facts(desired(), { observed: observed(desired('one', { spec: { prefix: 'old' } })) });
      const shown = view(given, settings);
      expect(shown).to.deep.include({ status: 'running', prefix: 'old' });
      expect(shown.conditions[0]?.message).to.contain('allowed are berth/testspace');
      const deleted = facts(desired('one', DELETED), { observed: observed(desired()) });
      expect(view(deleted, settings).status).to.equal('stopping');
    });
  });

  describe('ETag', () => {
    it('is the same for the same, and differs when either the declaration or the view does', () => {
      const given = facts(desired(), { observed: observed(desired()) });
      const tag = etagOfView(given, view(given));
      expect(etagOfView(given, view(structuredClone(given)))).to.equal(tag);
      const moved = { ...given, observed: observed(desired(), { phase: 'starting' }) };
      expect(etagOfView(moved, view(moved))).to.not.equal(tag);
      const rewritten: Facts = {
        ...given,
        desired: { kind: 'valid', value: desired(), etag: 'e2', since: NOW },
      };
      expect(etagOfView(rewritten, view(rewritten))).to.not.equal(tag);
    });

    it('begins with that of the declaration', () => {
      const given = facts(desired());
      expect(etagOfView(given, view(given))).to.match(/^"e1-[0-9a-f]{16}"$/);
    });
  });
});
