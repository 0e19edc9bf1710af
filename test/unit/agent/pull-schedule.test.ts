import { expect } from 'chai';
import { PullSchedule } from '../../../agent/sync/pull-schedule.js';

describe('agent: when to look for changes of others', () => {
  it('is never while nobody wants it, and at once when somebody does', () => {
    const schedule = new PullSchedule();
    expect(schedule.isDue(0)).to.equal(false);
    schedule.want(true);
    expect(schedule.isDue(0)).to.equal(true);
  });

  it('is with each cycle, and more seldom where it takes long', () => {
    const schedule = new PullSchedule();
    schedule.want(true);
    schedule.done(0, 100, true);
    expect(schedule.isDue(9_999)).to.equal(false);
    expect(schedule.isDue(15_000)).to.equal(true);
    schedule.done(20_000, 22_000, true);
    expect(schedule.isDue(59_999)).to.equal(false);
    expect(schedule.isDue(60_000)).to.equal(true);
  });

  it('is once more after the others are gone, until that has succeeded', () => {
    const schedule = new PullSchedule();
    schedule.want(true);
    schedule.done(0, 0, true);
    schedule.want(false);
    schedule.done(15_000, 15_000, false);
    expect(schedule.isDue(30_000)).to.equal(true);
    schedule.done(30_000, 30_000, true);
    expect(schedule.isDue(1e9)).to.equal(false);
  });
});
