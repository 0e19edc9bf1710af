import { MUTANTS } from './mutants.js';
import { run } from './run.js';

/** A part of the work: every `step`-th seed of some, or the search for one mutant. */
export type Job =
  | { kind: 'seeds'; from: number; step: number; to: number }
  | { kind: 'mutants'; from: number; step: number; seeds: number };

/** What a worker tells: a day that went wrong, or how soon a mutant was found. */
export type Finding =
  | { kind: 'violation'; seed: number; invariant: string; message: string }
  | { kind: 'mutant'; name: string; seeds: number; invariant: string | null };

async function seeds({ from, step, to }: Job & { kind: 'seeds' }): Promise<void> {
  for (let seed = from; seed <= to; seed += step) {
    const { violation } = await run(seed);
    if (violation !== null) tell({ kind: 'violation', seed, ...violation });
  }
}

async function mutants({ from, step, seeds: most }: Job & { kind: 'mutants' }): Promise<void> {
  for (let index = from; index < MUTANTS.length; index += step) {
    const mutant = MUTANTS[index]!;
    const { name, foundBy } = mutant;
    let invariant: string | null = null;
    let seed = 0;
    while (invariant === null && seed < most) {
      const { violation } = await run(++seed, mutant);
      if (violation !== null && foundBy.includes(violation.invariant)) invariant = violation.invariant;
    }
    tell({ kind: 'mutant', name, seeds: seed, invariant });
  }
}

const tell = (finding: Finding) => process.send?.(finding);

const job = JSON.parse(process.argv[2]!) as Job;
await (job.kind === 'seeds' ? seeds(job) : mutants(job));
