#!/usr/bin/env bash
# make bench: how fast it is, beside a named peer in the same run. Measures, and judges nothing.
set -euo pipefail
cd "$(dirname "$0")/../.."
source test/own-berth.sh
trap own_berth_down EXIT
trap 'exit 130' INT TERM

own_berth_up >&2
node --import tsx test/bench/keys.ts
node --import tsx test/bench/start.ts
node --import tsx test/bench/idle.ts
node --import tsx test/bench/sync.ts
