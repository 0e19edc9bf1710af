#!/usr/bin/env bash
# make up: from a bare server to a running Berth, one step a script; each finds out for itself
# whether there is anything to do, so that a second run changes nothing.
set -euo pipefail
source "$(dirname "$0")/lib.sh"
source "$(dirname "$0")/config.sh"
cd "$ROOT/manifests/host"

./preflight.sh
config_load
./packages.sh
# Before what takes minutes: they are where a wrong setting of the operator shows.
./state.sh
./tls.sh
./guard.sh
./engine.sh
./swarm.sh
./addresses.sh
./images.sh

BERTH_FIRST_KEY=''
if ! grep -Eq '[$]2[aby][$]' "$BERTH_STATE_DIR/keys.yaml" 2>/dev/null; then
  step 'Making the first API key'
  BERTH_FIRST_KEY=$(./keys.sh add admin)
  ok 'made; it is shown at the end'
fi
export BERTH_FIRST_KEY
# The key exists only here: it is shown whatever happens to the later steps, also when somebody breaks them off.
shown=''
trap '[[ -n "$shown" || -z "$BERTH_FIRST_KEY" ]] || printf "The API key that was made before the failure (shown this once): %s\n" "$BERTH_FIRST_KEY"' EXIT

./deploy.sh
./ready.sh
./demo.sh
./summary.sh
shown=yes
