import { signAccess } from '../../shared/access-token.js';
import type { Clock } from '../../shared/clock.js';
import { durationMs } from '../../shared/model/duration.js';
import { SERVICES, type WorkspaceUrls } from '../../shared/model/urls.js';
import type { WorkspaceView } from '../../shared/model/view.js';
import type { AgentKeySource } from '../auth/agent-key.js';
import type { KeyOwner } from '../auth/permissions.js';
import type { ApiSettings } from '../settings.js';
import type { PremisesReader } from './premises.js';
import { LINK_PARAMETER } from './question.js';
import { mayOpen } from './visitor.js';

/** Links that open a workspace, and until when they do. */
export interface AccessLinks {
  urls: WorkspaceUrls;
  expiresAt: string;
}

export interface LinksOptions {
  premises: PremisesReader;
  agentKey: AgentKeySource;
  clock: Clock;
  settings: Pick<ApiSettings, 'BERTH_ACCESS_LINK'>;
}

/** Makes the links by which people get into workspaces. */
export class Links {
  constructor(private readonly options: LinksOptions) {}

  /** @returns null when it is stopped, or the key may not open it */
  async of(owner: KeyOwner, { containerId, urls }: WorkspaceView): Promise<AccessLinks | null> {
    const { premises, agentKey, clock, settings } = this.options;
    const [found, key] = await Promise.all([premises.read(containerId), agentKey()]);
    if (found === null || key === null || !found.isOpen || !mayOpen(owner, found)) return null;
    const now = clock.now();
    const seconds = durationMs(settings.BERTH_ACCESS_LINK) / 1000;
    const links = await Promise.all(
      SERVICES.map(async (service) => {
        const claims = { keyId: owner.id, workspaceId: containerId, service, life: found.life };
        const url = new URL(urls[service]);
        url.searchParams.set(LINK_PARAMETER, await signAccess('link', claims, { key, now, seconds }));
        return [service, url.href];
      }),
    );
    const expiresAt = new Date(now.getTime() + seconds * 1000).toISOString();
    return { urls: Object.fromEntries(links) as WorkspaceUrls, expiresAt };
  }

  /** The ETag of a view with links: whoever asks only whether it changed gets new ones before these expire. */
  etagOf(etag: string): string {
    const { clock, settings } = this.options;
    const period = Math.floor(clock.now().getTime() / (durationMs(settings.BERTH_ACCESS_LINK) / 2));
    return etag.replace(/"$/, `-${period}"`);
  }

  /** The view as its reader gets it: with what opens the workspace, if he may. */
  async shown(owner: KeyOwner, view: WorkspaceView): Promise<WorkspaceView> {
    return { ...view, accessUrls: (await this.of(owner, view))?.urls ?? null };
  }
}
