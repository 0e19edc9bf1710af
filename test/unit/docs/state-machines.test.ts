import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect } from 'chai';
import { step, type LifeEvent, type LifeState } from '../../../agent/lifecycle.js';
import { judgeHealth } from '../../../controller/plan/health.js';
import { plan } from '../../../controller/plan/plan.js';
import { judgeTasks } from '../../../controller/plan/tasks.js';
import type { World } from '../../../controller/plan/types.js';
import { CONDITION_TYPES } from '../../../shared/model/condition.js';
import { SHUTDOWN_REASONS, type Observed } from '../../../shared/model/observed.js';
import { PHASES_AFTER } from '../../support/phases.js';
import {
  declare,
  EMPTY_WORLD,
  fullWorld,
  inputOf,
  NOW,
  POLICY,
  reportOf,
  task,
} from '../../support/planning.js';

const ROOT = path.join(import.meta.dirname, '../../..');
const PAGE = readFileSync(path.join(ROOT, 'docs/state-machines.md'), 'utf8');

/** Rows of the table with these headings in a section; cells as they are written. */
function tableOf(section: string, ...headings: string[]): string[][] {
  const [, body = ''] = PAGE.split(`\n## ${section}\n`);
  const lines = (body.split('\n## ')[0] ?? '').split('\n');
  const cellsOf = (line: string) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim());
  const start = lines.findIndex((line) => line.startsWith('|') && cellsOf(line).join() === headings.join());
  expect(start, `a table ${headings.join(' | ')} in "${section}"`).to.be.at.least(0);
  const rows = lines.slice(start + 2);
  const end = rows.findIndex((line) => !line.startsWith('|'));
  return rows.slice(0, end < 0 ? undefined : end).map(cellsOf);
}

/** Words in backticks. */
const words = (text = '') => [...text.matchAll(/`([^`]+)`/g)].map(([, word]) => word ?? '');
const sourcesOf = (folder: string) =>
  readdirSync(path.join(ROOT, folder)).map((file) => readFileSync(path.join(ROOT, folder, file), 'utf8'));

describe('docs/state-machines.md says what the code does', () => {
  it('phases: the changes that the stories allow', () => {
    const rows = tableOf('Phase of a workspace', 'from', 'to');
    const told: Record<string, string[]> = Object.fromEntries(
      rows.map(([from, to]) => [words(from)[0] ?? '', words(to).sort()]),
    );
    const allowed = Object.entries(PHASES_AFTER).map(([from, to]) => [from, [...to].sort()]);
    expect(told).to.deep.equal(Object.fromEntries(allowed));
  });

  it('ends: every reason that a workspace may give', () => {
    const reasons = [
      ...tableOf(
        'Why a workspace shall not run',
        'what is on record',
        'reason (`shutdownReason`)',
        'message',
      ),
      ...tableOf('The halt', 'event', 'condition', 'halt').map(([event, , halt]) => [event, halt]),
    ].flatMap(([, reason]) => words(reason).slice(0, 1));
    // The restart of an unhealthy workspace is no end of its own.
    expect([...new Set([...reasons, 'Unhealthy'])].sort()).to.deep.equal([...SHUTDOWN_REASONS].sort());
  });

  it('conditions: each with all its reasons', () => {
    const rows = tableOf('Conditions', 'condition', '`True`', '`False`');
    expect(rows.map(([condition]) => words(condition)[0]).sort()).to.deep.equal([...CONDITION_TYPES].sort());
    const told = new Map(rows.map(([name, yes, no]) => [words(name)[0], { yes: words(yes), no: words(no) }]));
    const said = sourcesOf('controller/plan')
      .flatMap((source) => [...source.matchAll(/\b(yes|no)\(\s*'(\w+)',\s*'(\w+)'/g)])
      .map(([, status, name, reason]) => ({ status: status as 'yes' | 'no', name, reason: reason ?? '' }));
    expect(said.length).to.be.greaterThan(20);
    for (const { status, name, reason } of said)
      expect(told.get(name)?.[status], `${name} ${status}`).to.include(reason);
  });

  it('the steps of a stop: the actions of each', () => {
    const desired = declare({}, { deletionRequestedAt: NOW.toISOString() });
    const full = fullWorld(desired);
    const scaled = { ...full, service: full.service && { ...full.service, replicas: 0 } };
    const gone: World = { ...EMPTY_WORLD, receipt: { kind: 'verified' } };
    const longAgo = new Date(NOW.getTime() - POLICY.archiveAfterMs).toISOString();
    const worlds: Record<string, { world: World; record?: Partial<Observed> }> = {
      'a service with a replica': { world: full },
      'a service without a replica; tasks that may be alive': { world: scaled },
      'a service without a replica; no such task': { world: { ...scaled, tasks: [] } },
      'no service; a container of one that somebody removed': {
        world: {
          ...{ ...full, service: null, tasks: [] },
          leavers: [{ id: 'task-1', workspaceId: desired.metadata.id, state: 'running', target: null }],
        },
      },
      'no service; a network': { world: { ...full, service: null, tasks: [] } },
      'no service, no network; volumes that may go': { world: { ...gone, volumes: full.volumes } },
      'nothing, or only volumes that must stay': { world: gone },
      'nothing, stopped for `BERTH_ARCHIVE_AFTER`; the file is not broken': {
        world: gone,
        record: { phase: 'stopped', stoppedAt: longAgo },
      },
    };
    const running = plan(inputOf(declare(), fullWorld(declare()))).observed as Observed;
    const report = reportOf('finished', {
      finalSync: { ok: true, at: NOW.toISOString(), files: 1, bytes: 1, failed: 0, receipt: 'f'.repeat(64) },
    });
    const rows = tableOf('The steps of a stop', 'what exists', 'actions');
    expect(rows.map(([what]) => what)).to.have.members(Object.keys(worlds));
    for (const [what = '', actions = ''] of rows) {
      const { world, record = {} } = worlds[what] ?? { world: gone };
      const decision = plan(inputOf(desired, world, { observed: { ...running, ...record }, report }));
      const done = [...new Set(decision.actions.map(({ type }) => type))];
      expect(done, what).to.deep.equal(actions.startsWith('none') ? [] : words(actions));
    }
  });

  it('tasks: the states that count as active', () => {
    const [, body = ''] = PAGE.split('\n## The judgement of tasks\n');
    const told = words(body.split('All others are final')[0]).filter((word) => !word.includes('/'));
    const states = ['new', 'allocated', 'pending', 'assigned', 'accepted', 'preparing', 'ready', 'starting'];
    const final = ['running', 'complete', 'shutdown', 'failed', 'rejected', 'remove', 'orphaned'];
    const active = [...states, ...final].filter(
      (state) => judgeTasks([task({ state, desiredState: 'shutdown' })]).kind === 'waiting',
    );
    expect(told.sort()).to.deep.equal(active.sort());
  });

  it('health: what each check makes of each status', () => {
    const desired = declare({ idle: 'off' });
    const code = { by: 'workspace', message: 'status 502' } as const;
    const checks: Record<string, World['routes']> = {
      'all three services answer': { vnc: null, code: null, web: null },
      'code-server answers, another one does not': { vnc: code, code: null, web: null },
      'code-server does not answer': { vnc: null, code, web: null },
    };
    const failures: Record<string, number> = { healthy: 0, degraded: 0, failing: 1, unhealthy: 3 };
    const statusOf = (cell = '') =>
      [...cell.matchAll(/`(\w+)`(?: \((\d)\))?/g)].map(([, status = '', count]) => ({
        status,
        failures: count === undefined ? (failures[status] ?? 0) : Number(count),
      }));
    const running = plan(inputOf(desired, fullWorld(desired))).observed as Observed;
    let last = '';
    for (const [from = '', check = '', next = ''] of tableOf('Health', 'status', 'check', 'next')) {
      last = check === 'the same' ? last : check;
      const before = from === 'any' ? statusOf('`healthy`, `failing` (2), `unhealthy`') : statusOf(from);
      for (const { status, failures: count } of before) {
        const health = { ...running.health, status, failures: count } as Observed['health'];
        const world = fullWorld(desired, { routes: checks[last] ?? null });
        const now = new Date(NOW.getTime() + POLICY.healthIntervalMs);
        const input = inputOf(desired, world, { now, report: reportOf('ready') });
        const found = judgeHealth(input, { ...running, health }).health;
        const [told] = statusOf(next);
        expect(found?.status, `${status}, ${check}`).to.equal(told?.status);
        if (told?.status === 'failing') expect(found?.failures).to.equal(told.failures);
      }
    }
  });

  it('the agent’s lifecycle: every pair of state and event', () => {
    const states: LifeState[] = ['idle', 'restoring', 'starting', 'ready', 'failed', 'stopping', 'finished'];
    const events: LifeEvent[] = [
      { type: 'begin' },
      { type: 'restored' },
      { type: 'restoreFailed', message: '' },
      { type: 'servicesUp' },
      { type: 'term' },
      { type: 'gaveUp' },
      { type: 'stopped', exitCode: 0 },
    ];
    const rows = tableOf("The agent's lifecycle", 'state', 'event', 'next', 'effects');
    const told = rows.map(([state, event, next]) =>
      [state, event, next].map((cell) => words(cell)[0]).join(' '),
    );
    const done = states.flatMap((state) =>
      events.flatMap((event) => {
        const next = step(state, event).state;
        return next === state ? [] : [[state, event.type, next].join(' ')];
      }),
    );
    expect(told.sort()).to.deep.equal(done.sort());
  });
});
