const { appendFileSync } = require('node:fs');
const { Runner, reporters } = require('mocha');

/** The usual output, and for what `make test` ends with: each run's counts, and what failed and why. */
module.exports = class CountingReporter extends reporters.Spec {
  constructor(runner, options) {
    super(runner, options);
    runner.once(Runner.constants.EVENT_RUN_END, () => {
      const { BERTH_TEST_COUNTS: counts, BERTH_TEST_FAILURES: failures } = process.env;
      if (counts)
        appendFileSync(counts, `${this.stats.passes} ${this.stats.failures} ${this.stats.pending}\n`);
      if (failures) for (const test of this.failures) appendFileSync(failures, `${inOneLine(test)}\n`);
    });
  }
};

function inOneLine(test) {
  const why = String(test.err?.message ?? test.err).replace(/\s+/g, ' ');
  return `${test.fullTitle()}: ${why.slice(0, 300)}`;
}
