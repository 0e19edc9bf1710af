/** One run of the agent, as a machine: what happened leads to a state and to things to do. */
export type LifeState = 'idle' | 'restoring' | 'starting' | 'ready' | 'failed' | 'stopping' | 'finished';

export type LifeEvent =
  | { type: 'begin' }
  | { type: 'restored' }
  /** Only a person could help: no such bucket, wrong credentials, disk full. */
  | { type: 'restoreFailed'; message: string }
  | { type: 'servicesUp' }
  /** SIGTERM. */
  | { type: 'term' }
  /** Nobody sent SIGTERM within the time that a failed restore is shown. */
  | { type: 'gaveUp' }
  | { type: 'stopped'; exitCode: number };

export type LifeEffect =
  | { do: 'restore' }
  | { do: 'cancelRestore' }
  | { do: 'startServices' }
  | { do: 'startCycles' }
  | { do: 'waitForTerm' }
  /** Ends services and cycles, syncs a last time; the home as well if its restore had ended. */
  | { do: 'stop'; restored: boolean }
  | { do: 'report'; message?: string }
  | { do: 'exit'; exitCode: number };

export interface Step {
  state: LifeState;
  effects: LifeEffect[];
}

/** A restore failed for good and nobody stopped the workspace. */
export const EXIT_RESTORE_FAILED = 78;

/** Events that have no meaning in a state (a second SIGTERM, a restore that ends after one) change nothing. */
export function step(state: LifeState, event: LifeEvent): Step {
  const stay: Step = { state, effects: [] };
  switch (event.type) {
    case 'begin':
      if (state !== 'idle') return stay;
      return { state: 'restoring', effects: [{ do: 'report' }, { do: 'restore' }] };
    case 'restored':
      if (state !== 'restoring') return stay;
      return { state: 'starting', effects: [{ do: 'startServices' }, { do: 'startCycles' }] };
    case 'restoreFailed':
      if (state !== 'restoring') return stay;
      return {
        state: 'failed',
        effects: [{ do: 'report', message: event.message }, { do: 'waitForTerm' }],
      };
    case 'servicesUp':
      return state === 'starting' ? { state: 'ready', effects: [{ do: 'report' }] } : stay;
    case 'term':
      return onTerm(state) ?? stay;
    case 'gaveUp':
      if (state !== 'failed') return stay;
      return { state: 'finished', effects: [{ do: 'exit', exitCode: EXIT_RESTORE_FAILED }] };
    case 'stopped':
      if (state !== 'stopping') return stay;
      return { state: 'finished', effects: [{ do: 'report' }, { do: 'exit', exitCode: event.exitCode }] };
  }
}

function onTerm(state: LifeState): Step | null {
  const stopping = (restored: boolean, first: LifeEffect[] = []): Step => ({
    state: 'stopping',
    effects: [...first, { do: 'report' }, { do: 'stop', restored }],
  });
  switch (state) {
    case 'idle':
      return { state: 'finished', effects: [{ do: 'exit', exitCode: 0 }] };
    case 'restoring':
      return stopping(false, [{ do: 'cancelRestore' }]);
    case 'failed':
      return stopping(false);
    case 'starting':
    case 'ready':
      return stopping(true);
    case 'stopping':
    case 'finished':
      return null;
  }
}
