#!/usr/bin/env bash
# Adds an API key and prints just the key on standard output: keys.sh NAME.
# Only its hash is kept, so this is the one time it can be seen.
set -euo pipefail
source "$(dirname "$0")/lib.sh"
source "$(dirname "$0")/config.sh"
config_load

name=${1:-}
[[ -n "$name" ]] || fail 'the key needs a name' 'for example: make -s key NAME=ci'
[[ -d "$BERTH_STATE_DIR" ]] || fail "there is no state folder $BERTH_STATE_DIR" 'run make up first'
image=$(docker image inspect --format '{{.Id}}' "berth/control:$BERTH_IMAGE_TAG" 2>/dev/null) ||
  fail "the image berth/control:$BERTH_IMAGE_TAG is missing" 'run make up first'
exec docker run --rm --network none --cap-drop ALL --read-only --env "BERTH_STATE_DIR=$BERTH_STATE_DIR" \
  --volume "$BERTH_STATE_DIR:$BERTH_STATE_DIR" "$image" node /app/keys.mjs add "$name"
