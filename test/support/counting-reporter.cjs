const { appendFileSync } = require('node:fs');
const { Runner, reporters } = require('mocha');

/** The usual output, and the counts of each run for the sum that `make test` ends with. */
module.exports = class CountingReporter extends reporters.Spec {
  constructor(runner, options) {
    super(runner, options);
    runner.once(Runner.constants.EVENT_RUN_END, () => {
      const file = process.env.BERTH_TEST_COUNTS;
      if (file) appendFileSync(file, `${this.stats.passes} ${this.stats.failures} ${this.stats.pending}\n`);
    });
  }
};
