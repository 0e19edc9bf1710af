import { startController } from './controller.js';
import { happen, heal, type Timed } from './events.js';
import { invariants } from './invariants.js';
import type { Mutant } from './mutants.js';
import { DAY_MS, REST_MS, storyOf } from './story.js';
import { World, type Violation } from './world.js';

export interface Outcome {
  seed: number;
  violation: Violation | null;
  story: readonly Timed[];
  lines: readonly string[];
  hash: () => string;
}

/** One simulated day. The same seed and story give the same day. */
export async function run(
  seed: number,
  mutant: Mutant | null = null,
  story: readonly Timed[] = storyOf(seed),
): Promise<Outcome> {
  const world = new World(seed, mutant, { startController, invariants });
  let now = 0;
  const passUntil = async (at: number) => {
    await world.pass(at - now);
    now = at;
  };
  for (const event of story) {
    await passUntil(event.at);
    world.checkWhenQuiet();
    if (world.violation !== null) break;
    happen(world, event);
  }
  await passUntil(DAY_MS - REST_MS);
  if (world.violation === null) heal(world);
  await passUntil(DAY_MS);
  if (world.violation === null) world.checkAtRest();
  return {
    ...{ seed, story, lines: world.trace.lines },
    violation: world.violation,
    hash: () => world.trace.hash,
  };
}
