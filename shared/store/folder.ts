import { mkdir } from 'node:fs/promises';

/** A folder below the state folder. */
export class Folder {
  constructor(readonly folder: string) {}

  /** Makes it if it is missing. */
  async prepare(): Promise<void> {
    await mkdir(this.folder, { recursive: true });
  }
}
