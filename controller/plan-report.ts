import type { Condition } from '../shared/model/condition.js';
import type { Observed } from '../shared/model/observed.js';
import type { DeclarationRead, Plan } from './plan/types.js';

/** What the controller would do next about one workspace. */
export interface Planned {
  id: string;
  declaration: DeclarationRead;
  before: Observed | null;
  decision: Plan;
}

/** For people: a line a workspace, below it what is wrong or new. */
export function describePlans(plans: readonly Planned[]): string {
  const width = Math.max(0, ...plans.map(({ id }) => id.length));
  const busy = plans.filter(({ decision }) => decision.actions.length > 0).length;
  const lines = plans.flatMap((planned) => describe(planned, width));
  const sum = plans.length === 1 ? '1 workspace' : `${plans.length} workspaces`;
  return `${[...lines, `${sum}, ${busy} with something to do.`].join('\n')}\n`;
}

function describe({ id, declaration, before, decision }: Planned, width: number): string[] {
  const after = decision.observed;
  const phases = [...new Set([before?.phase ?? '(none)', after?.phase ?? '(none)'])].join(' -> ');
  const actions = [...new Set(decision.actions.map(({ type }) => type))].join(', ') || 'nothing to do';
  const first = `${id.padEnd(width)}  ${phases}  ${actions}`;
  const details = [
    ...(declaration.kind === 'invalid' ? [`${declaration.reason}: ${declaration.message}`] : []),
    ...(after !== null && after.message !== before?.message ? [after.message] : []),
    ...changed(before?.conditions ?? [], after?.conditions ?? []),
  ];
  return [first, ...[...new Set(details)].map((detail) => `${' '.repeat(width)}  ${detail}`)];
}

function changed(before: readonly Condition[], after: readonly Condition[]): string[] {
  return after
    .filter(({ type, status }) => status !== before.find((last) => last.type === type)?.status)
    .map(({ type, status, reason }) => `${type} = ${status} (${reason})`);
}
