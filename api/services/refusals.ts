import type { WorkspaceView } from '../../shared/model/view.js';
import type { KeyOwner } from '../auth/permissions.js';
import { Problem } from '../problem.js';

export function nameTaken(name: string): Problem {
  return new Problem(
    'BERTH_NAME_TAKEN',
    `The name ${name} belongs to another workspace; choose another, or delete that one and wait until it is stopped.`,
    { errors: [{ field: 'name', message: 'is taken' }] },
  );
}

export function labelsForbidden({ labels }: Pick<KeyOwner, 'labels'>): Problem {
  const wanted = Object.entries(labels).map(([name, value]) => `${name}=${value}`);
  const errors = [{ field: 'labels', message: `must keep ${wanted.join(', ')}` }];
  return new Problem('BERTH_FORBIDDEN', `This key starts only workspaces labelled ${wanted.join(', ')}.`, {
    errors,
  });
}

export function placeForbidden({ buckets = [] }: Pick<KeyOwner, 'buckets'>): Problem {
  const allowed = buckets.length === 0 ? 'none: make one with --bucket' : buckets.join(', ');
  const errors = [{ field: 'bucketId', message: `must be one that the key may use (${allowed})` }];
  return new Problem('BERTH_FORBIDDEN', `This key starts no workspaces there; it may use ${allowed}.`, {
    errors,
  });
}

export function startFailed(detail: string, workspace: WorkspaceView): Problem {
  return new Problem('BERTH_START_FAILED', detail, { extra: { workspace } });
}
