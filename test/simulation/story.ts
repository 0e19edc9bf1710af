import { GIB } from '../../shared/model/desired.js';
import type { Event, Timed } from './events.js';
import { Random } from './random.js';

const HOUR_MS = 3_600_000;
/** The day ends with a rest. */
export const DAY_MS = 24 * HOUR_MS;
export const REST_MS = 3 * HOUR_MS;

const NAMES = ['ada', 'bob', 'cyd', 'dan', 'eve'];

type Maker = (random: Random, id: string, ids: readonly string[]) => Event;

const seconds = (random: Random, min: number, max: number) => random.int(min * 1000, max * 1000);

/** What may happen, and how often. A new kind is one more line. */
const KINDS: [weight: number, make: Maker][] = [
  [8, (random, id) => ({ type: 'declare', id, spec: specOf(random, id) })],
  [3, (random, id) => ({ type: 'edit', id, spec: specOf(random, id) })],
  [6, (random, id) => ({ type: 'work', id, writes: random.int(1, 8), everyMs: seconds(random, 1, 200) })],
  [2, (_random, id) => ({ type: 'stop', id })],
  [2, (_random, id) => ({ type: 'delete', id })],
  [1, (_random, id) => ({ type: 'discard', id })],
  [4, (_random, id) => ({ type: 'startAgain', id })],
  [1, (_random, id) => ({ type: 'extend', id })],
  [1, (_random, id) => ({ type: 'removeFile', id })],
  [1, (random, id, ids) => ({ type: 'rename', id, to: random.pick(ids) })],
  [
    2,
    (random, id) => ({
      ...{ type: 'break', id, mistake: random.pick(['syntax', 'empty', 'limits', 'image']) },
      forMs: seconds(random, 1, 1800),
    }),
  ],
  [1, (_random, id) => ({ type: 'loseRecord', id })],
  [1, (random, id) => ({ type: 'forget', id, told: random.chance(0.5) })],
  [1, (_random, id) => ({ type: 'removeService', id })],
  [1, (_random, id) => ({ type: 'stopContainer', id })],
  [
    3,
    (random, id) => ({ type: 'crash', id, times: random.pick([1, 1, 5]), outOfMemory: random.chance(0.3) }),
  ],
  [
    3,
    (random, id) => ({
      ...{ type: 'mood', id, mood: random.pick(['silent', 'late', 'failing', 'slow']) },
      forMs: seconds(random, 10, 1800),
    }),
  ],
  [1, (random, id) => ({ type: 'mood', id, mood: 'deaf', forMs: seconds(random, 600, 10_800) })],
  [
    3,
    (random) => ({
      ...{ type: 'engine', mode: random.pick(['slow', 'flaky', 'down']) },
      forMs: seconds(random, 1, 300),
    }),
  ],
  [3, (random) => ({ type: 's3', mode: random.pick(['down', 'lossy']), forMs: seconds(random, 1, 3600) })],
  [
    3,
    (random) => ({ type: 'hints', hints: random.pick(['some', 'none']), forMs: seconds(random, 60, 7200) }),
  ],
  [1, () => ({ type: 'hintStorm' })],
  [1, () => ({ type: 'loseDeclarations' })],
  [1, (random) => ({ type: 'gateway', forMs: seconds(random, 1, 60) })],
  [2, (random) => ({ type: 'memory', percent: random.int(85, 95), forMs: seconds(random, 10, 1800) })],
  [1, () => ({ type: 'restart' })],
  [6, (random) => ({ type: 'kill', calls: random.int(0, 40), applied: random.chance(0.5) })],
];

/** A day: hours in which nothing happens, and minutes in which everything does. */
export function storyOf(seed: number): Timed[] {
  const random = new Random(seed, 'story');
  const ids = NAMES.slice(0, random.int(2, NAMES.length));
  // No day is like another: what happens often meets more often.
  const kinds = KINDS.map(([weight, make]) => [weight * random.pick([0, 1, 1, 4]), make] as const);
  const total = kinds.reduce((sum, [weight]) => sum + weight, 0);
  const draw = () => {
    let left = random.next() * total;
    const kind = kinds.find(([weight]) => (left -= weight) < 0);
    return (kind ?? KINDS[0]!)[1](random, random.pick(ids), ids);
  };
  const story: Timed[] = ids.map((id) => ({ ...declaration(random, id), at: seconds(random, 0, 600) }));
  for (let at = seconds(random, 60, 1800); at < DAY_MS - REST_MS; at += seconds(random, 300, 9000)) {
    const pace = random.pick([500, 5000, 60_000]);
    for (let left = random.int(1, 8); left > 0; left--, at += random.int(0, pace))
      if (at < DAY_MS - REST_MS) story.push({ ...draw(), at });
  }
  return story.sort((a, b) => a.at - b.at);
}

const declaration = (random: Random, id: string): Event => ({
  ...{ type: 'declare', id },
  spec: specOf(random, id),
});

function specOf(random: Random, id: string) {
  return {
    // Mostly one of its own; a shared one now and then.
    bucket: random.pick([id, id, 'team', 'team-b']).padEnd(3, '-x'),
    prefix: random.pick(['', '', id]),
    state: random.pick(['running', 'running', 'running', 'stopped'] as const),
    image: 'berth/workspace',
    resources: { cpus: random.pick([1, 2]), memoryBytes: random.pick([GIB, 2 * GIB]) },
    ...(random.chance(0.5) ? { idle: random.pick(['2m', '30m', 'off', 'off']) } : {}),
    ...(random.chance(0.1) ? { maxAge: random.pick(['20m', '3h']) } : {}),
  };
}
