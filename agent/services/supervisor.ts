import { chmod, chown, mkdir } from 'node:fs/promises';
import type { Logger } from '../../shared/logger.js';
import type { Owner } from '../sync/safe-path.js';
import { Service } from './service.js';
import type { ServicesFile } from './spec.js';

export interface SupervisorOptions {
  wrap: (command: readonly string[]) => string[];
  env: Record<string, string>;
  owner: Owner;
  log: Logger;
  /** Called whenever a service became ready or stopped being so. */
  onChange: () => void;
}

/** Longest wait for services before the workspace is called ready without them. */
const READY_WITHIN_MS = 60_000;

/** All services of a workspace. */
export class Supervisor {
  private readonly services: Service[];

  constructor(
    private readonly file: ServicesFile,
    private readonly options: SupervisorOptions,
  ) {
    this.services = file.services.map((spec) => new Service(spec, options));
  }

  /** Starts everything at once; order comes from `after` alone. */
  async start(): Promise<void> {
    for (const folder of this.file.folders) {
      await mkdir(folder.path, { recursive: true });
      const { owner } = this.options;
      if (owner && folder.owner === 'user') await chown(folder.path, owner.uid, owner.gid);
      await chmod(folder.path, Number.parseInt(folder.mode, 8));
    }
    for (const service of this.services) {
      service.start(service.spec.after.flatMap((name) => this.find(name) ?? []));
    }
  }

  /** Resolves once every service that has a role answers, or after a minute. */
  async whenReady(): Promise<void> {
    const { code, vnc } = this.file.roles;
    let timer: NodeJS.Timeout | undefined;
    const tooLong = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, READY_WITHIN_MS);
    });
    const ready = [code, vnc].flatMap((name) => this.find(name)?.whenReady() ?? []);
    await Promise.race([Promise.all(ready), tooLong]);
    clearTimeout(timer);
  }

  status(): { code: boolean; vnc: boolean } {
    const { code, vnc } = this.file.roles;
    return { code: this.find(code)?.ready ?? false, vnc: this.find(vnc)?.ready ?? false };
  }

  /** Ends all services, each with its process group. */
  async stop(graceMs: number): Promise<void> {
    await Promise.all(this.services.map((service) => service.stop(graceMs)));
  }

  private find(name: string): Service | undefined {
    return this.services.find((service) => service.spec.name === name);
  }
}
