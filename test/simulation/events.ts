import type { Desired } from '../../shared/model/desired.js';
import { yamlCodec } from '../../shared/store/codec.js';
import type { Mood } from './agent.js';
import { extend, remove, startAgain, stop } from './api.js';
import type { EngineMode } from './engine.js';
import type { S3Mode } from './files.js';
import type { Hints } from './setting.js';
import type { World } from './world.js';

type Spec = Partial<Desired['spec']> & { bucket: string };

/** Ways in which an operator's edit goes wrong. */
export const MISTAKES = {
  syntax: () => 'spec: [',
  empty: () => '',
  limits: (text: string) => text.replace(/memoryBytes\W+\d+/, (found) => `${found}00`),
  image: (text: string) => text.replace('berth/workspace', 'strange/image'),
};

/** What may happen. What lasts says for how long, so that each event can be left out of a story. */
export type Event =
  | { type: 'declare' | 'edit'; id: string; spec: Spec }
  | { type: 'break'; id: string; mistake: keyof typeof MISTAKES; forMs: number }
  | { type: 'removeFile' | 'stop' | 'delete' | 'discard' | 'startAgain' | 'extend'; id: string }
  | { type: 'rename'; id: string; to: string }
  | { type: 'loseRecord' | 'removeService'; id: string }
  | { type: 'forget'; id: string; told: boolean }
  | { type: 'work'; id: string; writes: number; everyMs: number }
  | { type: 'stopContainer'; id: string }
  | { type: 'crash'; id: string; times: number; outOfMemory: boolean }
  | { type: 'mood'; id: string; mood: Mood; forMs: number }
  | { type: 'engine'; mode: EngineMode; forMs: number }
  | { type: 's3'; mode: S3Mode; forMs: number }
  | { type: 'hints'; hints: Hints; forMs: number }
  | { type: 'hintStorm' | 'loseDeclarations' }
  | { type: 'gateway'; forMs: number }
  | { type: 'memory'; percent: number; forMs: number }
  | { type: 'restart' }
  | { type: 'kill'; calls: number; applied: boolean };

/** One thing that happens at a time, in milliseconds from the beginning. */
export type Timed = Event & { at: number };

export function happen(world: World, event: Event): void {
  const { records, api, engine, files, host, clock, swarm } = world;
  world.note(`* ${JSON.stringify(event)}`);
  world.stir();
  const later = (ms: number, task: () => void) => {
    world.ailments += 1;
    clock.after(ms, () => {
      world.ailments -= 1;
      world.stir();
      task();
    });
  };
  switch (event.type) {
    case 'declare':
      return api.declare(event.id, event.spec);
    case 'edit':
      return records.desired.put(event.id, fileOf(event.id, event.spec));
    case 'break': {
      const text = records.desired.textOf(event.id);
      if (text === null) return;
      const broken = MISTAKES[event.mistake](text);
      records.desired.put(event.id, broken);
      later(event.forMs, () => {
        if (records.desired.textOf(event.id) === broken) records.desired.put(event.id, text);
      });
      return;
    }
    case 'removeFile':
      return records.desired.put(event.id, null);
    case 'rename': {
      const text = records.desired.textOf(event.id);
      if (text === null) return;
      records.desired.put(event.id, null);
      return records.desired.put(event.to, text);
    }
    case 'stop':
      return api.change(event.id, stop);
    case 'delete':
      return api.change(event.id, remove(false));
    case 'discard':
      return api.change(event.id, remove(true));
    case 'startAgain':
      return api.change(event.id, startAgain);
    case 'extend':
      return api.change(event.id, extend);
    case 'loseRecord':
      return void records.observed.remove(event.id);
    case 'forget':
      records.desired.put(event.id, null);
      // A service of an older Berth does not tell what it was declared with.
      if (!event.told) loseLabels(world, event.id);
      return void records.observed.remove(event.id);
    case 'loseDeclarations':
      return records.desired.lose();
    case 'removeService':
      return removeByHand(world, event.id);
    case 'work':
      for (let nth = 0; nth < event.writes; nth++)
        later(nth * event.everyMs, () => world.agentOf(event.id)?.write());
      return;
    case 'stopContainer':
      return world.stopContainer(event.id);
    case 'crash':
      for (let nth = 0; nth < event.times; nth++)
        later(nth * 4000, () => world.crash(event.id, event.outOfMemory));
      return;
    case 'mood':
      world.moods.set(event.id, event.mood);
      later(event.forMs, () => world.moods.delete(event.id));
      return;
    case 'engine':
      engine.mode = event.mode;
      later(event.forMs, () => (engine.mode = 'up'));
      return;
    case 's3':
      files.mode = event.mode;
      later(event.forMs, () => (files.mode = 'up'));
      return;
    case 'hints':
      world.hints = event.hints;
      later(event.forMs, () => (world.hints = world.setting.hints));
      return;
    case 'hintStorm':
      for (const id of [...world.ids, ...world.ids]) records.desired.hint(id);
      return engine.stir();
    case 'gateway':
      swarm.gateway = null;
      later(event.forMs, () => {
        swarm.gateway = { containerId: `gateway-${clock.ms}`, networkIds: new Set() };
        engine.stir();
      });
      return;
    case 'memory':
      host.othersBytes = Math.round((host.totalBytes * event.percent) / 100);
      later(event.forMs, () => (host.othersBytes = host.totalBytes / 8));
      return;
    case 'restart': {
      const { controller } = world;
      void controller.leave().then(() => controller.die('its orderly end'));
      return;
    }
    case 'kill':
      world.controller.doom = { calls: event.calls, applied: event.applied };
  }
}

/** All that ails the world ends, and nobody is idle from now on. */
export function heal(world: World): void {
  world.note('* everything is healed');
  world.engine.mode = 'up';
  world.files.mode = 'up';
  world.hints = 'all';
  world.host.othersBytes = world.host.totalBytes / 8;
  world.moods.clear();
  world.controller.doom = null;
  world.everybodyWorks = true;
  // A rest shows more where something runs.
  for (const id of world.ids.slice(1)) world.api.change(id, startAgain);
}

/** A file as an operator writes it. */
function fileOf(id: string, spec: Spec): string {
  const value = { apiVersion: 'berth/v1', kind: 'Workspace', metadata: { id }, spec };
  return `# by hand\n${yamlCodec.encode(value, null)}`;
}

function loseLabels({ swarm }: World, id: string): void {
  for (const service of swarm.services.values()) if (service.workspaceId === id) service.declaration = null;
}

function removeByHand({ swarm, engine, removedByHand }: World, id: string): void {
  for (const service of [...swarm.services.values()].filter((item) => item.workspaceId === id)) {
    removedByHand.add(service.runId);
    void swarm.removeService(service.id);
  }
  engine.stir();
}
