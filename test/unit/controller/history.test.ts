import { expect } from 'chai';
import { withHistory } from '../../../controller/plan/history.js';
import { plan } from '../../../controller/plan/plan.js';
import type { Plan, PlanInput, World } from '../../../controller/plan/types.js';
import type { Desired } from '../../../shared/model/desired.js';
import { MAX_EVENTS, type Observed } from '../../../shared/model/observed.js';
import {
  declare,
  EMPTY_WORLD,
  fullWorld,
  inputOf,
  NOW,
  reportOf,
  saved,
  task,
} from '../../support/planning.js';

/** Looks of the controller at one workspace, one after the other. */
class Story {
  record: Observed | null = null;

  look(desired: Desired | null, world: World, change: Partial<PlanInput> = {}): Plan {
    const decision = plan(inputOf(desired, world, { observed: this.record, ...change }));
    this.record = decision.observed && withHistory(this.record, decision.observed, NOW);
    return decision;
  }

  get reasons(): string[] {
    return (this.record?.events ?? []).map(({ reason }) => reason);
  }
}

describe('history of a workspace', () => {
  it('tells its life from start to stop, each thing once', () => {
    const story = new Story();
    const desired = declare();
    const world = fullWorld(desired);
    for (let twice = 0; twice < 2; twice++) story.look(desired, EMPTY_WORLD);
    expect(story.reasons).to.deep.equal(['Starting']);
    for (let twice = 0; twice < 2; twice++) story.look(desired, world);
    const steps = ['Created', 'Created', 'Running', 'Attached', 'Restored', 'Proven'];
    expect(story.reasons).to.deep.equal(['Starting', ...steps, 'Running']);
    story.look(declare({ state: 'stopped' }), world);
    const last = story.record?.events.at(-1);
    expect(last).to.deep.equal({
      at: NOW.toISOString(),
      type: 'Normal',
      reason: 'Stopping',
      message: 'UserRequest: It is declared as stopped.',
    });
    const report = reportOf('finished', { finalSync: saved });
    story.look(declare({ state: 'stopped' }), { ...EMPTY_WORLD, gateway: null }, { report });
    expect(story.reasons.slice(-2)).to.deep.equal(['Saved', 'Stopped']);
  });

  it('warns of what went wrong, and tells when it is right again', () => {
    const story = new Story();
    const desired = declare();
    const report = reportOf('ready');
    story.look(desired, fullWorld(desired), { report });
    const other = fullWorld(desired, { gateway: { containerId: 'other', attached: false }, routes: null });
    story.look(desired, other, { report });
    story.look(desired, fullWorld(desired), { report });
    const told = story.record?.events.map(({ type, reason }) => `${type} ${reason}`);
    expect(told?.slice(-4)).to.deep.equal([
      'Warning Attaching',
      'Warning Waiting',
      'Normal Attached',
      'Normal Proven',
    ]);
  });

  it('warns of a halt', () => {
    const story = new Story();
    const desired = declare();
    story.look(desired, fullWorld(desired));
    const ended = [task({ state: 'failed', desiredState: 'shutdown', error: 'exit 1' })];
    story.look(desired, fullWorld(desired, { tasks: ended }));
    expect(story.record?.events.at(-1)).to.deep.include({ type: 'Warning', reason: 'Crashed' });
  });

  it('begins anew with another workspace of the same name', () => {
    const story = new Story();
    story.look(declare(), EMPTY_WORLD);
    story.look(declare({}, { uid: 'uid-2' }), EMPTY_WORLD);
    expect(story.reasons).to.deep.equal(['Starting']);
  });

  it('forgets the oldest', () => {
    const story = new Story();
    const desired = declare();
    for (let round = 0; round < MAX_EVENTS; round++) {
      story.look(desired, fullWorld(desired));
      story.look(desired, fullWorld(desired, { gateway: null, routes: null }));
    }
    expect(story.reasons).to.have.lengthOf(MAX_EVENTS);
    expect(story.reasons).not.to.include('Starting');
  });
});
