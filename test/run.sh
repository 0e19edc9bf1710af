#!/usr/bin/env bash
# make test: everything, on real parts. Brings up a Berth of its own beside whatever runs here, and takes
# it down again with all that it made. Ends with the line "N passed, N failed".
set -euo pipefail
cd "$(dirname "$0")/.."
source test/own-berth.sh
export BERTH_TEST_COUNTS=$work/counts
: >"$BERTH_TEST_COUNTS"
export BERTH_TEST_FAILURES=$work/failures
: >"$BERTH_TEST_FAILURES"

# The results are read before their files go. What failed is told once more at the end: the place where
# it happened is thousands of lines above.
finish() {
  local status=$? passed failed failures
  passed=$(awk '{ n += $1 } END { print n + 0 }' "$BERTH_TEST_COUNTS")
  failed=$(awk '{ n += $2 } END { print n + 0 }' "$BERTH_TEST_COUNTS")
  failures=$(<"$BERTH_TEST_FAILURES")
  own_berth_down
  [[ -z "$failures" ]] || sed 's/^/FAILED  /' <<<"$failures"
  # A part that ended without counting (types, lint, set-up) has failed as well.
  if ((status != 0 && failed == 0)); then failed=1; fi
  echo "$passed passed, $failed failed"
  ((failed == 0)) || exit 1
}
trap finish EXIT
trap 'exit 130' INT TERM

result=0
part() { # $1: name; the rest: command
  echo "==> $1 (after $SECONDS s)" >&2
  shift
  "$@" || result=1
}
mocha() { npx --no-install mocha "$@"; }

export BERTH_PROPERTY_RUNS=${BERTH_PROPERTY_RUNS:-500}
export BERTH_SIM_SEEDS=${BERTH_SIM_SEEDS:-500}
part 'Types, lint, unit and property tests' make --no-print-directory check

echo "==> Setting up the engine, the images and a Berth of this run's own (after $SECONDS s)" >&2
manifests/host/test-packages.sh
own_berth_up

part 'Programs that tests need' npx --no-install tsx test/support/fetch-programs.ts
part 'Host scripts' mocha 'test/host/**/*.test.ts'
part 'Integration tests' mocha --parallel --jobs 2 'test/integration/**/*.test.ts'
part 'Contract tests' mocha 'test/contract/**/*.test.ts'
# Most of their time is waiting.
part 'End to end' mocha --parallel --jobs 2 'test/e2e/*.test.ts'
# A browser gives up what it loads whenever a network of the host comes or goes.
part 'End to end: what concerns all workspaces, and a browser' mocha 'test/e2e/whole/*.test.ts'
part 'Faults' mocha 'test/faults/**/*.test.ts'
part 'Nothing left behind' mocha 'test/after/**/*.test.ts'
exit $result
