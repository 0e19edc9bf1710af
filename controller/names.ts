import { createHash } from 'node:crypto';
import type { Desired } from '../shared/model/desired.js';

/** Names of Docker objects: all begin with the stack's name, so that two Berths share one engine. */
export interface Names {
  stack: string;
  service(id: string): string;
  network(id: string): string;
  volumes: VolumeNames;
}

export type VolumeNames = (desired: Desired) => { workspace: string; home: string };

export function namesOf(stack: string): Names {
  const base = (id: string) => `${stack}-ws-${id}`;
  return {
    stack,
    service: base,
    network: base,
    volumes: ({ metadata, spec }) => {
      // A volume belongs to the bucket whose files it holds: the same name declared on another bucket
      // must never find, and upload, the files of the first one.
      const home = createHash('sha256').update(`${spec.bucket}/${spec.prefix}`).digest('hex').slice(0, 8);
      return {
        workspace: `${base(metadata.id)}-${home}-workspace`,
        home: `${base(metadata.id)}-${home}-home`,
      };
    },
  };
}

/** Labels that all objects of Berth carry. */
export const LABELS = {
  stack: 'berth.stack',
  workspace: 'berth.workspace',
  run: 'berth.run',
  generation: 'berth.generation',
  image: 'berth.image',
  bucket: 'berth.bucket',
  prefix: 'berth.prefix',
  /** The declaration as JSON: what the record can be made of again. */
  declaration: 'berth.declaration',
  /** Of a network: its addresses, which the engine shows only once its manager has taken note. */
  subnet: 'berth.subnet',
} as const;
