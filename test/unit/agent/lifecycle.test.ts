import { expect } from 'chai';
import { step, type LifeEvent, type LifeState } from '../../../agent/lifecycle.js';

/** Runs events from the start; the effects of the last one, by name. */
function run(...events: LifeEvent[]) {
  let state: LifeState = 'idle';
  let effects: string[] = [];
  for (const event of events) {
    const next = step(state, event);
    state = next.state;
    effects = next.effects.map((effect) =>
      'exitCode' in effect
        ? `exit ${effect.exitCode}`
        : 'restored' in effect
          ? `stop ${effect.restored}`
          : effect.do,
    );
  }
  return { state, effects };
}

describe('agent: lifecycle', () => {
  const begin: LifeEvent = { type: 'begin' };
  const restored: LifeEvent = { type: 'restored' };
  const up: LifeEvent = { type: 'servicesUp' };
  const term: LifeEvent = { type: 'term' };
  const failed: LifeEvent = { type: 'restoreFailed', message: 'NoSuchBucket' };

  const table: [string, LifeEvent[], LifeState, string[]][] = [
    ['restores first', [begin], 'restoring', ['report', 'restore']],
    [
      'starts services and cycles after the restore',
      [begin, restored],
      'starting',
      ['startServices', 'startCycles'],
    ],
    ['is ready when the services are', [begin, restored, up], 'ready', ['report']],
    [
      'stops with deletions after a restore',
      [begin, restored, up, term],
      'stopping',
      ['report', 'stop true'],
    ],
    ['stops while services start', [begin, restored, term], 'stopping', ['report', 'stop true']],
    [
      'stops without deletions during the restore',
      [begin, term],
      'stopping',
      ['cancelRestore', 'report', 'stop false'],
    ],
    ['ignores what ends after the stop began', [begin, term, restored], 'stopping', []],
    ['ignores services that come up while stopping', [begin, restored, term, up], 'stopping', []],
    ['ignores a second SIGTERM', [begin, restored, up, term, term], 'stopping', []],
    ['shows a failed restore and waits', [begin, failed], 'failed', ['report', 'waitForTerm']],
    ['stops after a failed restore', [begin, failed, term], 'stopping', ['report', 'stop false']],
    ['gives up when nobody stops a failed one', [begin, failed, { type: 'gaveUp' }], 'finished', ['exit 78']],
    ['does not give up while stopping', [begin, failed, term, { type: 'gaveUp' }], 'stopping', []],
    [
      'ends with the code of the final sync',
      [begin, restored, up, term, { type: 'stopped', exitCode: 75 }],
      'finished',
      ['report', 'exit 75'],
    ],
    ['ends at once when stopped before it began', [term], 'finished', ['exit 0']],
  ];
  for (const [what, events, state, effects] of table) {
    it(what, () => expect(run(...events)).to.deep.equal({ state, effects }));
  }
});
