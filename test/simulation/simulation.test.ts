import { expect } from 'chai';
import { minimise } from './minimise.js';
import { MUTANTS } from './mutants.js';
import { onAllCores } from './pool.js';
import { run, type Outcome } from './run.js';

const SEEDS = Number(process.env['BERTH_SIM_SEEDS'] ?? 50);
const SEED = process.env['BERTH_SIM_SEED'];
/** In so many days each broken rule shows. */
const MUTANT_SEEDS = 200;

/** Simulated days of the whole controller (docs/architecture.md): `BERTH_SIM_SEED=7` replays one of them. */
describe('Simulation: a day of the controller', function () {
  this.timeout(7_200_000);

  if (SEED !== undefined) {
    it(`goes well (seed ${SEED})`, async () => {
      const outcome = await run(Number(SEED));
      console.log(outcome.lines.join('\n'));
      if (outcome.violation !== null) throw new Error(await explain(outcome));
    });
    return;
  }

  it(`goes well, whatever happens (${SEEDS} days)`, async () => {
    const findings = await onAllCores((index, of) => ({
      ...{ kind: 'seeds', from: index + 1, step: of, to: SEEDS },
    }));
    const seeds = findings.flatMap((finding) => (finding.kind === 'violation' ? [finding.seed] : []));
    const first = seeds.sort((a, b) => a - b)[0];
    if (first === undefined) return;
    throw new Error(`seeds ${seeds.join(', ')}\n${await explain(await run(first))}`);
  });

  it('is the same day for the same seed', async () => {
    for (const seed of [1, 2, 3]) {
      const [one, two, other] = [await run(seed), await run(seed), await run(seed + 1)];
      expect(one.hash()).to.equal(two.hash());
      expect(one.hash()).not.to.equal(other.hash());
    }
  });

  it(`goes wrong when a rule is broken (${MUTANTS.length} rules)`, async () => {
    const findings = await onAllCores((index, of) => ({
      ...{ kind: 'mutants', from: index, step: of, seeds: MUTANT_SEEDS },
    }));
    const mutants = findings.flatMap((finding) => (finding.kind === 'mutant' ? [finding] : []));
    for (const { name, seeds, invariant } of mutants)
      console.log(`      ${name}: ${invariant ?? 'not found'} (${seeds} days)`);
    expect(mutants).to.have.length(MUTANTS.length);
    expect(mutants.filter(({ invariant }) => invariant === null)).to.deep.equal([]);
  });

  it('is shortened to what it takes to go wrong', async () => {
    const mutant = MUTANTS.find(({ name }) => name.includes('receipt')) ?? null;
    let failed: Outcome | null = null;
    for (let seed = 1; failed === null && seed <= MUTANT_SEEDS; seed++) {
      const outcome = await run(seed, mutant);
      if (outcome.violation !== null) failed = outcome;
    }
    const shortest = await minimise(failed!, mutant);
    expect(shortest.violation?.invariant).to.equal(failed?.violation?.invariant);
    expect(shortest.story.length).to.be.within(1, failed!.story.length / 4);
    // Nothing of it can be left out.
    for (const [index] of shortest.story.entries()) {
      const shorter = await run(failed!.seed, mutant, shortest.story.toSpliced(index, 1));
      expect(shorter.violation?.invariant, `without event ${index}`).not.to.equal(
        failed?.violation?.invariant,
      );
    }
  });
});

/** What went wrong, in as few events as it takes. */
async function explain(failed: Outcome): Promise<string> {
  const { seed, violation, story, lines } = await minimise(failed);
  return [
    `${violation?.invariant}: ${violation?.message}`,
    `The shortest such day has ${story.length} events:`,
    ...lines,
    `Replay: BERTH_SIM_SEED=${seed} npx mocha test/simulation/simulation.test.ts`,
  ].join('\n');
}
