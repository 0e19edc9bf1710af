import { expect } from 'chai';
import { durationMs, durationSchema } from '../../../shared/model/duration.js';
import {
  idleDeadline,
  idleRulesOf,
  isTakenBack,
  warningMs,
  type Activity,
  type IdleDefaults,
} from '../../../shared/model/idle.js';

const DEFAULTS: IdleDefaults = { idle: '10m', signals: ['files'] };
const STARTED = '2026-01-01T12:00:00.000Z';
const at = (time: string) => `2026-01-01T${time}.000Z`;
const files = (time: string): Activity => ({ signal: 'files', lastAt: at(time) });

describe('when a workspace is idle', () => {
  const deadline = (spec: Parameters<typeof idleRulesOf>[0], activity: Activity[] = []) => {
    const ms = idleDeadline(idleRulesOf(spec, STARTED, DEFAULTS), activity);
    return ms === null ? null : new Date(ms).toISOString();
  };

  it('the clock starts when it runs, and each change sets it back', () => {
    expect(deadline({})).to.equal(at('12:10:00'));
    expect(deadline({}, [files('12:07:30')])).to.equal(at('12:17:30'));
  });

  it('files from before the start are no activity', () => {
    expect(deadline({}, [files('11:00:00')])).to.equal(at('12:10:00'));
  });

  it('only the signals that were chosen count', () => {
    const terminal: Activity = { signal: 'terminal', lastAt: at('12:09:00') };
    expect(deadline({}, [terminal])).to.equal(at('12:10:00'));
    expect(deadline({ activity: ['files', 'terminal'] }, [terminal])).to.equal(at('12:19:00'));
    expect(deadline({ activity: ['terminal'] }, [files('12:09:00')])).to.equal(at('12:10:00'));
  });

  it('a time of its own, or none at all, replaces the default', () => {
    expect(deadline({ idle: '90s' })).to.equal(at('12:01:30'));
    expect(deadline({ idle: 'off' })).to.equal(null);
  });

  it('an extension holds until its time, and does not shorten anything', () => {
    expect(deadline({ extendedUntil: at('14:00:00') })).to.equal(at('14:00:00'));
    expect(deadline({ extendedUntil: at('12:01:00') })).to.equal(at('12:10:00'));
  });

  it('before it runs, no clock does', () => {
    expect(idleDeadline(idleRulesOf({}, null, DEFAULTS), [files('12:00:00')])).to.equal(null);
  });

  it('the warning comes two minutes before, or after three quarters of a short time', () => {
    expect([600_000, 3_600_000, 60_000].map(warningMs)).to.deep.equal([120_000, 120_000, 15_000]);
  });

  describe('a stop for inactivity', () => {
    const stopped = { state: 'stopped', stopReason: 'Inactivity', idleSince: at('12:05:00') };
    const word = (time: string, state = 'ready') => ({ state, activity: [files(time)] });

    it('is taken back by what happened later', () => {
      expect(isTakenBack(stopped, word('12:05:01'), DEFAULTS)).to.equal(true);
      expect(isTakenBack(stopped, word('12:05:00'), DEFAULTS)).to.equal(false);
    });

    it('is not taken back by what the end itself writes', () => {
      expect(isTakenBack(stopped, word('12:06:00', 'stopping'), DEFAULTS)).to.equal(false);
    });

    it('is no wish of a person’s, which nothing takes back', () => {
      const wish = { ...stopped, stopReason: undefined };
      expect(isTakenBack(wish, word('12:06:00'), DEFAULTS)).to.equal(false);
    });
  });
});

describe('durations', () => {
  it('are a number and a unit', () => {
    const given = ['90s', '10m', '12h', '7d'].map((text) => durationMs(durationSchema.parse(text)));
    expect(given).to.deep.equal([90_000, 600_000, 43_200_000, 604_800_000]);
  });
  for (const text of ['', '10', '0m', '-1m', '1.5h', '10 m', 'm', '1w', '9999999s'])
    it(`are not ${JSON.stringify(text)}`, () => {
      expect(durationSchema.safeParse(text).success).to.equal(false);
    });
});
