#!/usr/bin/env bash
# What the controller would do next, without doing it; DIR=folder: if the declarations were those there.
set -euo pipefail
source "$(dirname "$0")/lib.sh"
source "$(dirname "$0")/config.sh"
config_load

controller=$(docker ps --quiet --filter "label=com.docker.swarm.service.name=${BERTH_STACK}_controller" 2>/dev/null | head -n 1)
[[ -n "$controller" ]] || fail 'the controller does not run' 'run make up first, or see make status'
if [[ -z "${DIR:-}" ]]; then exec docker exec "$controller" node /app/plan.mjs ${W:+"$W"}; fi
[[ -d "$DIR" ]] || fail "DIR=$DIR is not a folder" 'give the folder that holds the .yaml files'
# The controller sees nothing of this host but the state folder: the files come to it by a pipe.
tar --create --directory "$DIR" . | docker exec --interactive "$controller" sh -c '
  folder=$(mktemp -d) && trap "rm -rf $folder" EXIT && tar --extract --no-same-owner --directory "$folder" &&
  node /app/plan.mjs --desired "$folder" "$@"' sh ${W:+"$W"}
