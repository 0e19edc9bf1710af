#!/usr/bin/env bash
# make test: everything, on real parts. Brings up a Berth of its own beside whatever runs here, and takes
# it down again with all that it made. Ends with the line "N passed, N failed".
set -euo pipefail
cd "$(dirname "$0")/.."
ROOT=$PWD

[[ $EUID == 0 ]] || {
  echo 'make test needs root: it installs Docker and sets firewall rules. Run: sudo make test' >&2
  exit 1
}

# --- a Berth of this run's own: names, ports, addresses, state
free_port() { # the first port from $1 that nobody listens on
  local port=$1
  while (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do port=$((port + 1)); done
  echo "$port"
}
work=$(mktemp -d /var/tmp/berth-test.XXXXXX)
export BERTH_ENV_FILE=/dev/null BERTH_LOG_DIR=$work/logs
export BERTH_STACK=bt$RANDOM BERTH_STATE_DIR=$work/state BERTH_DOMAIN=berth-test.localhost BERTH_IMAGE_TAG=test
BERTH_HTTP_PORT=$(free_port 18080)
BERTH_HTTPS_PORT=$(free_port 18443)
export BERTH_HTTP_PORT BERTH_HTTPS_PORT BERTH_ADDRESS_POOL=10.212.0.0/16 BERTH_TEST_CONTRACT_POOL=10.213.0.0/20
export BERTH_STOP_GRACE=60 DEMO=0 PURGE=yes
export BERTH_TEST_COUNTS=$work/counts
mkdir -p "$BERTH_LOG_DIR"
: >"$BERTH_TEST_COUNTS"

# --- what was here before stays; what this run brings goes
engine_before=$(docker version --format '{{.Server.Version}}' 2>/dev/null || true)
swarm_before=$(docker info --format '{{.Swarm.LocalNodeState}}' 2>/dev/null || true)
guard_before=$(manifests/guard/guard.sh check 2>/dev/null && echo yes || true)

clean_up() {
  trap - EXIT INT TERM
  echo '==> Removing what this test run made' >&2
  [[ ! -d "$BERTH_STATE_DIR/secrets" ]] || manifests/host/purge.sh || true
  if [[ -z "$engine_before" || "$swarm_before" != active ]]; then
    [[ -n "$(docker service ls --quiet 2>/dev/null)" ]] || docker swarm leave --force >/dev/null 2>&1 || true
  fi
  if [[ -z "$engine_before" ]] && ! docker ps --quiet | grep -q . && [[ -f /var/run/docker.pid ]]; then
    if [[ -d /run/systemd/system ]]; then systemctl stop docker; else kill "$(cat /var/run/docker.pid)" 2>/dev/null || true; fi
  fi
  [[ -n "$guard_before" ]] || manifests/guard/guard.sh remove || true
  rm -rf --one-file-system "$work"
}
# The counts are read before their file goes.
finish() {
  local status=$? passed failed
  passed=$(awk '{ n += $1 } END { print n + 0 }' "$BERTH_TEST_COUNTS")
  failed=$(awk '{ n += $2 } END { print n + 0 }' "$BERTH_TEST_COUNTS")
  clean_up
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

part 'Types, lint, unit and property tests' make --no-print-directory check

echo "==> Setting up the engine, the images and a Berth of this run's own (after $SECONDS s)" >&2
manifests/host/packages.sh
manifests/host/test-packages.sh
manifests/host/up.sh
BERTH_TEST_KEY=$(manifests/host/keys.sh test)
export BERTH_TEST_KEY

part 'Host scripts' mocha 'test/host/**/*.test.ts'
part 'Integration tests' mocha 'test/integration/**/*.test.ts'
part 'Contract tests' mocha 'test/contract/**/*.test.ts'
part 'End to end' mocha 'test/e2e/**/*.test.ts'
part 'Nothing left behind' mocha 'test/after/**/*.test.ts'
exit $result
