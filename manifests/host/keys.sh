#!/usr/bin/env bash
# API keys: add NAME, list, revoke ID, rotate ID, with the options that the command keys.mjs tells.
# `add` and `rotate` print just the key: only its hash is kept, so this is the one time it can be seen.
set -euo pipefail
source "$(dirname "$0")/lib.sh"
source "$(dirname "$0")/config.sh"
config_load

case "${1:-}:${2:-}" in
  add:) fail 'the key needs a name' 'for example: make -s key NAME=ci' ;;
  revoke: | rotate:) fail 'which key?' "make keys shows their ids, for example: make key-$1 ID=bkq3fa7x2m" ;;
esac
[[ -d "$BERTH_STATE_DIR" ]] || fail "there is no state folder $BERTH_STATE_DIR" 'run make up first'
image=$(docker image inspect --format '{{.Id}}' "berth/control:$BERTH_IMAGE_TAG" 2>/dev/null) ||
  fail "the image berth/control:$BERTH_IMAGE_TAG is missing" 'run make up first'
exec docker run --rm --log-driver none --network none --cap-drop ALL --read-only --env "BERTH_STATE_DIR=$BERTH_STATE_DIR" \
  --volume "$BERTH_STATE_DIR:$BERTH_STATE_DIR" "$image" node /app/keys.mjs "$@"
