import type { ListedObject } from '../../shared/s3/s3-port.js';
import type { SyncContext } from './context.js';

/** All objects of the workspace; a list that breaks off is begun anew. */
export function listObjects(context: SyncContext, signal?: AbortSignal): Promise<ListedObject[]> {
  return context.request(async () => {
    const objects: ListedObject[] = [];
    for await (const page of context.s3.list(context.keys.root, signal)) objects.push(...page);
    return objects;
  });
}
