import { expect } from 'chai';
import { IdleWatch } from '../../../agent/activity/idle-watch.js';
import { RateSource, type Source } from '../../../agent/activity/sources.js';
import { silentLogger } from '../../../shared/logger.js';
import type { Activity, IdleRules } from '../../../shared/model/idle.js';
import type { ShutdownAnswer } from '../../../shared/model/report.js';

const START = Date.parse('2026-01-01T12:00:00.000Z');
const iso = (ms: number) => new Date(START + ms).toISOString();
const MINUTE = 60_000;

describe('agent: watching for work', () => {
  let now: number;
  let changedAt: string | null;
  /** What a look at the files will find. */
  let unseen: string | null;
  let terminalAt: number | null;
  let events: string[];
  let asked: Activity[][];
  let answer: () => ShutdownAnswer;
  let watch: IdleWatch;

  const rules = (change: Partial<IdleRules> = {}): IdleRules => ({
    timeoutMs: 10 * MINUTE,
    signals: ['files'],
    extendedUntil: null,
    runningSince: iso(0),
    ...change,
  });
  const lookAt = async (ms: number) => {
    now = START + ms;
    await watch.look();
  };
  const terminal: Source = { signal: 'terminal', sample: async () => terminalAt };

  beforeEach(() => {
    now = START;
    changedAt = unseen = terminalAt = null;
    events = [];
    asked = [];
    answer = () => ({ accepted: true, idle: null });
    watch = new IdleWatch({
      sources: [terminal],
      filesChangedAt: () => changedAt,
      lookAtFiles: async () => {
        events.push('look');
        changedAt = unseen ?? changedAt;
      },
      warn: (leftMs) => events.push(`warn ${leftMs / 1000}`),
      tell: () => events.push('tell'),
      ask: async (activity) => {
        events.push('ask');
        asked.push(activity);
        return answer();
      },
      log: silentLogger(),
      now: () => now,
    });
    watch.hear(rules());
  });

  it('warns once, two minutes before, and asks for the end in time', async () => {
    await lookAt(8 * MINUTE - 1);
    expect(events).to.deep.equal([]);
    await lookAt(8 * MINUTE);
    await lookAt(9 * MINUTE);
    expect(events).to.deep.equal(['look', 'warn 120']);
    await lookAt(10 * MINUTE);
    expect(events.slice(2)).to.deep.equal(['look', 'ask']);
    expect(asked).to.deep.equal([[]]);
  });

  it('looks for changes before it says anything', async () => {
    unseen = iso(8 * MINUTE - 5_000);
    await lookAt(8 * MINUTE);
    await lookAt(10 * MINUTE);
    expect(events).to.deep.equal(['look']);
    await lookAt(16 * MINUTE - 5_000);
    expect(events).to.deep.equal(['look', 'look', 'warn 120']);
  });

  it('asks nobody while it does not know the rules, or there is no end', async () => {
    watch.hear(rules({ timeoutMs: null }));
    await lookAt(1000 * MINUTE);
    expect(events).to.deep.equal([]);
  });

  it('counts from its own start until the API knows of it', async () => {
    watch.hear(rules({ runningSince: null }));
    watch.start();
    await watch.stop();
    await lookAt(10 * MINUTE);
    expect(events).to.include('ask');
  });

  it('learns of an extension from the answer', async () => {
    answer = () => ({ accepted: false, idle: rules({ extendedUntil: iso(60 * MINUTE) }) });
    await lookAt(10 * MINUTE);
    await lookAt(11 * MINUTE);
    expect(asked).to.have.lengthOf(1);
    await lookAt(60 * MINUTE);
    expect(asked).to.have.lengthOf(2);
  });

  it('tries again when the API does not answer', async () => {
    answer = () => {
      throw new Error('no answer');
    };
    await lookAt(10 * MINUTE);
    await lookAt(10 * MINUTE + 5_000);
    expect(asked).to.have.lengthOf(2);
  });

  it('heeds other signals only where they are chosen, and tells of them', async () => {
    terminalAt = START + 5 * MINUTE;
    await lookAt(6 * MINUTE);
    expect(watch.activity()).to.deep.equal([]);
    watch.hear(rules({ signals: ['files', 'terminal'] }));
    await lookAt(6 * MINUTE);
    expect(watch.activity()).to.deep.equal([{ signal: 'terminal', lastAt: iso(5 * MINUTE) }]);
    await lookAt(12 * MINUTE);
    expect(events).to.deep.equal(['tell']);
    await lookAt(15 * MINUTE);
    expect(events).to.include('ask');
  });
});

describe('agent: a counter as a sign of work', () => {
  it('counts while it grows fast enough, and not over a gap', async () => {
    const values: (number | null)[] = [0, 1, 50, null, 5_000, 5_001];
    const source = new RateSource('cpu', async () => values.shift() ?? null, 10);
    const seen: (number | null)[] = [];
    for (let second = 0; second < 6; second++) seen.push(await source.sample(second * 1000));
    expect(seen).to.deep.equal([null, null, 2000, 2000, 2000, 2000]);
  });
});
