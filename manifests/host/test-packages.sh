#!/usr/bin/env bash
# Installs what only the tests need: a browser, its certificate tool, Python environments for the
# programs of the integration tests, and an ACME server.
set -euo pipefail
source "$(dirname "$0")/lib.sh"

missing=()
[[ -n "${BERTH_TEST_CHROMIUM:-}" ]] || have chromium || missing+=(chromium)
have certutil || missing+=(libnss3-tools)
[[ -n "${BERTH_TEST_PEBBLE:-}" ]] || have pebble || missing+=(pebble)
# Debian ships the module that makes environments apart from Python.
python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)

if ((${#missing[@]} == 0)); then
  ok 'the tools of the tests are there'
  exit 0
fi

step "Installing ${missing[*]} for the tests"
export DEBIAN_FRONTEND=noninteractive
quietly apt 'check the package sources in /etc/apt and the network' \
  apt-get -o APT::Update::Error-Mode=any update
# Ubuntu's chromium is a snap, which does not run everywhere.
quietly apt-tests 'read the log; where there is no package chromium, install any and set BERTH_TEST_CHROMIUM to its path; where there is no pebble, set BERTH_TEST_PEBBLE to the folder of pebble and pebble-challtestsrv' \
  apt-get install -y --no-install-recommends "${missing[@]}"
ok 'installed'
