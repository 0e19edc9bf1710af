import { expect } from 'chai';
import { describePlans } from '../../../controller/plan-report.js';
import { readDeclaration } from '../../../controller/plan/declaration.js';
import { withHistory } from '../../../controller/plan/history.js';
import { plan } from '../../../controller/plan/plan.js';
import type { DeclarationRead } from '../../../controller/plan/types.js';
import { desiredSchema, generationOf, PAUSED, type Desired } from '../../../shared/model/desired.js';
import type { Observed } from '../../../shared/model/observed.js';
import {
  conditionOf,
  declare,
  EMPTY_WORLD,
  fullWorld,
  ID,
  inputOf,
  NOW,
  POLICY,
} from '../../support/planning.js';

const paused = (spec: Partial<Desired['spec']> = {}, metadata: Partial<Desired['metadata']> = {}) =>
  declare(spec, { annotations: { [PAUSED]: 'true' }, ...metadata });
const running = plan(inputOf(declare(), fullWorld(declare()))).observed as Observed;

describe('plan: a workspace that an operator has paused', () => {
  it('stays as it is, whatever is declared besides', () => {
    const world = fullWorld(declare());
    for (const desired of [
      paused(),
      paused({ state: 'stopped' }),
      paused({ resources: { cpus: 1, memoryBytes: 1024 ** 3 } }),
      paused({}, { deletionRequestedAt: NOW.toISOString() }),
      paused({ maxAge: '1s' }),
    ]) {
      const { observed, actions, requeueAfterMs } = plan(inputOf(desired, world, { observed: running }));
      expect([actions, requeueAfterMs]).to.deep.equal([[], null]);
      expect(observed?.phase).to.equal('running');
      expect(conditionOf(observed, 'Paused')).to.deep.include({ status: 'True', reason: 'PausedByOperator' });
      expect(conditionOf(observed, 'RoutesReady')?.status).to.equal('True');
    }
  });

  it('is not begun, and says so', () => {
    const { observed, actions } = plan(inputOf(paused(), EMPTY_WORLD));
    expect(actions).to.deep.equal([]);
    expect(observed).to.include({ phase: 'stopped', runId: null });
    expect(observed?.message).to.contain(PAUSED);
  });

  it('goes on from where it is when the pause ends, and both are in its history', () => {
    const during = withHistory(
      running,
      plan(inputOf(paused(), fullWorld(declare()), { observed: running })).observed as Observed,
      NOW,
    );
    const after = plan(inputOf(declare(), fullWorld(declare()), { observed: during }));
    expect(after.observed?.phase).to.equal('running');
    expect(conditionOf(after.observed, 'Paused')).to.equal(undefined);
    const events = withHistory(during, after.observed as Observed, NOW).events.map(({ reason }) => reason);
    expect(events.slice(-2)).to.deep.equal(['PausedByOperator', 'Resumed']);
    expect(generationOf(paused())).to.equal(generationOf(declare()));
  });

  it('is ended when its file goes, and stays paused while its file is broken', () => {
    const observed = plan(inputOf(paused(), fullWorld(declare()), { observed: running })).observed;
    const decide = (declaration: DeclarationRead) =>
      plan(inputOf(null, fullWorld(declare()), { observed, declaration })).actions.map(({ type }) => type);
    expect(decide({ kind: 'absent' })).to.deep.equal(['scaleToZero']);
    expect(decide({ kind: 'invalid', reason: 'Malformed', message: 'line 1' })).to.deep.equal([]);
  });

  it('takes true without quotes, and refuses other words', () => {
    const parse = (value: unknown) =>
      desiredSchema.safeParse({ ...declare(), metadata: { id: ID, annotations: { [PAUSED]: value } } });
    expect(parse(true).data?.metadata.annotations).to.deep.equal({ [PAUSED]: 'true' });
    expect(parse('yes').error?.issues[0]?.message).to.equal(`${PAUSED} must be "true" or "false"`);
    expect(parse('false').success).to.equal(true);
  });
});

describe('make plan', () => {
  it('tells of each workspace what would be done, and what is wrong with its file', () => {
    const of = (id: string, declaration: DeclarationRead, before: Observed | null, world = EMPTY_WORLD) => {
      const input = inputOf(null, world, { declaration, observed: before });
      return { id, declaration, before, decision: plan(input) };
    };
    const valid = (desired: Desired) => ({ kind: 'valid' as const, desired });
    const broken = {
      kind: 'invalid',
      reason: 'Malformed',
      message: 'bad.yaml:3: spec.bucket: too short',
    } as const;
    const text = describePlans([
      of('bad', broken, null),
      of('changed', valid(declare({ state: 'stopped' })), running, fullWorld(declare())),
      of('fresh', valid(declare()), null),
      of('same', valid(declare()), running, fullWorld(declare())),
    ]);
    expect(text).to.contain(
      'bad      (none) -> stopped  nothing to do\n         Malformed: bad.yaml:3: spec.bucket',
    );
    expect(text).to.contain('changed  running -> stopping  scaleToZero\n         It is declared as stopped.');
    expect(text).to.contain('fresh    (none) -> starting  createNetwork\n');
    expect(text).to.match(/same {5}running {2}nothing to do\n4 workspaces, 2 with something to do\.\n$/);
  });

  it('judges a file like the controller', () => {
    const read = { kind: 'valid', value: declare({ image: 'other/image' }), etag: '' } as const;
    expect(readDeclaration(ID, read, POLICY)).to.deep.include({ kind: 'invalid', reason: 'ImageNotAllowed' });
  });
});
