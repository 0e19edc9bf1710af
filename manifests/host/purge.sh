#!/usr/bin/env bash
# make purge: make down, and then everything that make down keeps. Asks first, unless PURGE=yes.
set -euo pipefail
source "$(dirname "$0")/lib.sh"
source "$(dirname "$0")/config.sh"
source "$(dirname "$0")/objects.sh"
config_load

if [[ "${PURGE:-}" != yes ]]; then
  echo "This removes the stack $BERTH_STACK, the volumes of its workspaces, its images, and $BERTH_STATE_DIR" >&2
  bundled_s3 && echo 'with the bundled S3 server and ALL FILES in its buckets.' >&2
  read -rp 'Type yes to go on: ' answer </dev/tty || fail 'nobody to ask' 'run: make purge PURGE=yes'
  [[ "$answer" == yes ]] || fail 'nothing was removed'
fi
# Never the root of a file system or a folder that is not a state folder of ours.
if [[ -e "$BERTH_STATE_DIR" && ! -d "$BERTH_STATE_DIR/secrets" ]]; then
  fail "$BERTH_STATE_DIR does not look like a state folder of Berth" 'check BERTH_STATE_DIR'
fi

"$ROOT/manifests/host/down.sh"

step 'Removing ended containers, volumes, images and the state folder'
remove_ended
workspace_volumes | xargs --no-run-if-empty docker volume rm >/dev/null
for name in workspace testspace control gateway s3 guard certs; do
  docker image rm "berth/$name:$BERTH_IMAGE_TAG" >/dev/null 2>&1 || true
done
rm -rf "$ROOT/.cache/images/${BERTH_IMAGE_TAG:?}"
rm -rf --one-file-system "${BERTH_STATE_DIR:?}"
ok 'removed; Docker itself, its build cache and the firewall rules stay'
