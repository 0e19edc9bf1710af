import fc from 'fast-check';
import type { Edit } from './editor.js';
import type { Death } from './life.js';

export type FaultKind =
  'none' | 'away' | 'slow' | 'dropBefore' | 'dropAfter' | 'conflict' | 'broken' | 'busy';

export type Step =
  | ({ do: 'edit'; who: number } & Edit)
  /** Agents work at the same time, while users edit on: after so many requests and answers. */
  | {
      do: 'sync';
      pull: boolean;
      who: readonly number[];
      edits: readonly (Edit & { who: number; after: number })[];
    }
  | { do: 'restart' | 'forget'; who: number }
  | { do: 'die'; who: number; while: 'restore' | 'pull' | 'cycle' | 'final'; death: Death }
  /** SIGTERM comes with the n-th request of a restore, the deadline with the n-th of the sync after it. */
  | { do: 'stopEarly'; who: number; request: number; deadline: number }
  /** What befalls every n-th request from now on. */
  | { do: 'fault'; fault: FaultKind; every: number }
  /** Time passes, so that what was read lately is no longer uncertain. */
  | { do: 'wait' };

export interface Story {
  steps: Step[];
  /** Which of the requests and answers under way moves next. */
  turns: number[];
  /** How all come to agree in the end: each starts anew, or all go on. */
  settledBy: 'restart' | 'pull';
}

const FILES = ['a', 'b.txt', 'd', 'd/x', 'd/y', 'd/x/w', 'deep/er/z'];
const FOLDERS = ['d', 'd/x', 'deep', 'deep/er', 'empty'];

const file = fc.constantFrom(...FILES);
const folder = fc.constantFrom(...FOLDERS);
const any = fc.constantFrom(...new Set([...FILES, ...FOLDERS]));
const edit = <T extends Edit['edit']>(kind: T) => fc.constant(kind);

const anyEdit: fc.Arbitrary<Edit> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ edit: edit('write'), path: file }) },
  { weight: 2, arbitrary: fc.record({ edit: edit('append'), path: file }) },
  { weight: 3, arbitrary: fc.record({ edit: edit('delete'), path: any }) },
  { weight: 2, arbitrary: fc.record({ edit: edit('rename'), path: any, to: any }) },
  { weight: 1, arbitrary: fc.record({ edit: edit('link'), path: file }) },
  { weight: 2, arbitrary: fc.record({ edit: fc.constantFrom('mkdir', 'rmdir'), path: folder }) },
  {
    weight: 1,
    arbitrary: fc.record({ edit: edit('chmod'), path: any, mode: fc.constantFrom(0o700, 0o755, 0o644) }),
  },
);

const death = fc.record({ at: fc.integer({ min: 1, max: 30 }), arrive: fc.boolean() });
const fault = fc.record({
  do: fc.constant('fault' as const),
  fault: fc.constantFrom<FaultKind[]>(
    ...(['none', 'away', 'slow', 'dropBefore', 'dropAfter', 'conflict', 'broken', 'busy'] as const),
  ),
  every: fc.integer({ min: 2, max: 5 }),
});

/** A story of so many workspaces on one bucket. */
export function storyOf(members: number): fc.Arbitrary<Story> {
  const who = fc.nat(members - 1);
  const everyone = fc.constant([...Array(members).keys()]);
  const during = fc
    .tuple(anyEdit, who, fc.nat(30))
    .map(([change, author, after]) => ({ ...change, who: author, after }));
  const step = fc.oneof(
    {
      weight: 10,
      arbitrary: fc
        .tuple(anyEdit, who)
        .map(([change, author]): Step => ({ do: 'edit', who: author, ...change })),
    },
    {
      weight: 5,
      arbitrary: fc.record({
        do: fc.constant('sync' as const),
        pull: fc.boolean(),
        who: fc.oneof(
          who.map((one) => [one]),
          everyone,
        ),
        edits: fc.oneof(fc.constant([]), fc.array(during, { maxLength: 3 })),
      }),
    },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('restart' as const), who }) },
    {
      weight: 2,
      arbitrary: fc.record({
        do: fc.constant('die' as const),
        who,
        while: fc.constantFrom('restore', 'pull', 'cycle', 'final'),
        death,
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        do: fc.constant('stopEarly' as const),
        who,
        request: fc.integer({ min: 1, max: 12 }),
        deadline: fc.integer({ min: 1, max: 40 }),
      }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('forget' as const), who }) },
    { weight: 2, arbitrary: fault },
    { weight: 2, arbitrary: fc.constant<Step>({ do: 'wait' }) },
  );
  return fc.record({
    steps: fc.array(step, { maxLength: 30, size: 'max' }),
    turns: fc.array(fc.nat(40), { minLength: 1, maxLength: 20 }),
    settledBy: fc.constantFrom('restart', 'pull'),
  });
}
