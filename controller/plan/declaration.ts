import type { RecordRead } from '../../shared/store/record-store.js';
import { generationOf, imageProblem, isPausedDeclaration, type Desired } from '../../shared/model/desired.js';
import type { Observed } from '../../shared/model/observed.js';
import type { ConditionUpdate } from '../../shared/model/condition.js';
import type { DeclarationRead, Policy, StopCause } from './types.js';

/** Rules of a declaration that the file's schema cannot know. */
export function readDeclaration(id: string, read: RecordRead<Desired>, policy: Policy): DeclarationRead {
  if (read.kind === 'absent') return { kind: 'absent' };
  if (read.kind === 'invalid') return { kind: 'invalid', reason: 'Malformed', message: read.problem.message };
  const { metadata } = read.value;
  if (metadata.id !== id) {
    const message = `metadata.id is "${metadata.id}", but the file is named after "${id}"; make them equal`;
    return { kind: 'invalid', reason: 'IdMismatch', message };
  }
  const message = imageProblem(read.value, policy.allowedImages);
  if (message !== null) return { kind: 'invalid', reason: 'ImageNotAllowed', message };
  return { kind: 'valid', desired: read.value };
}

/** The declaration in force: a broken file changes nothing about what runs. */
export function inForce(declaration: DeclarationRead, observed: Observed | null): Desired | null {
  if (declaration.kind === 'valid') return declaration.desired;
  return observed?.declared ?? null;
}

/** Whether an operator wants it left alone; to remove its file still means to end it. */
export function isPaused(declaration: DeclarationRead, observed: Observed | null): boolean {
  const desired = declaration.kind === 'absent' ? null : inForce(declaration, observed);
  return desired !== null && isPausedDeclaration(desired);
}

/** Why the workspace shall not run; null when it shall. */
export function stopCause(declaration: DeclarationRead, observed: Observed | null): StopCause | null {
  const desired = inForce(declaration, observed);
  if (declaration.kind === 'invalid' && desired === null) {
    return { reason: 'StartFailed', message: `Its declaration is invalid: ${declaration.message}` };
  }
  if (declaration.kind === 'absent' || desired === null) {
    return { reason: 'OperatorRequest', message: 'There is no declaration of this workspace (any more).' };
  }
  if (desired.metadata.deletionRequestedAt !== undefined) {
    return { reason: 'UserRequest', message: 'Its deletion was requested.' };
  }
  if (desired.spec.state === 'stopped') return declaredStop(desired);
  // A new declaration lifts the halt: whoever changed it wants another try.
  if (observed?.halt && observed.halt.generation === generationOf(desired)) return observed.halt;
  return null;
}

function declaredStop({ spec }: Desired): StopCause {
  if (spec.stopReason === undefined) return { reason: 'UserRequest', message: 'It is declared as stopped.' };
  const since = spec.idleSince === undefined ? '' : ` since ${spec.idleSince}`;
  return { reason: spec.stopReason, message: `Nobody has worked in it${since}.` };
}

export function specValid(declaration: DeclarationRead): ConditionUpdate {
  if (declaration.kind === 'invalid') {
    return { type: 'SpecValid', status: 'False', reason: declaration.reason, message: declaration.message };
  }
  const absent = declaration.kind === 'absent';
  return {
    type: 'SpecValid',
    status: 'True',
    reason: absent ? 'Absent' : 'Valid',
    message: absent ? 'There is no desired file.' : 'The declaration is in force.',
  };
}
