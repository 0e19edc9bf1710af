import { generationOf } from '../../shared/model/desired.js';
import { inForce, isPaused, stopCause } from './declaration.js';
import { restartCause } from './health.js';
import { withoutOvertakenStop } from './idle.js';
import { planPaused } from './pause.js';
import { isRescuing, planRescue } from './rescue.js';
import { planStart } from './start.js';
import { planStop } from './stop.js';
import type { Plan, PlanInput } from './types.js';

/**
 * Decides what to do about one workspace. Pure: the same world gives the same plan, whatever happened
 * before; every rule of Berth's controller lives here and below (docs/state-machines.md).
 */
export function plan(given: PlanInput): Plan {
  const input = withoutOvertakenStop(given);
  const desired = inForce(input.declaration, input.observed);
  if (desired !== null && isPaused(input.declaration, input.observed)) return planPaused(input, desired);
  const cause = stopCause(input.declaration, input.observed);
  if (cause !== null || desired === null) {
    if (input.observed !== null && isRescuing(input)) return planRescue(input, input.observed);
    return planStop(input, cause ?? { reason: 'OperatorRequest', message: 'There is no declaration.' });
  }
  const { service, leavers } = input.world;
  // A container cannot be changed while it runs, and one that is being stopped is never turned back:
  // it ends in order, and the next look starts what is declared now. Nor is one scaled up by hand just
  // scaled down again: which of its containers has to go would be Swarm's choice, and both have written.
  if (service !== null && (service.generation !== generationOf(desired) || service.replicas !== 1)) {
    const reason = { reason: 'UserRequest', message: 'It is stopped to start as declared now.' } as const;
    return planStop(input, reason, { startsAgain: true });
  }
  if (service === null && leavers.length > 0) {
    const message = 'Its service was removed while its container lived: it starts again once that has ended.';
    return planStop(input, { reason: 'UserRequest', message }, { startsAgain: true });
  }
  const restart = restartCause(input);
  if (restart !== null) return planStop(input, restart, { startsAgain: true });
  return planStart(input, desired);
}
