#!/usr/bin/env bash
# What runs: Berth's own services and the workspaces, by the engine and by the records.
set -euo pipefail
source "$(dirname "$0")/lib.sh"
source "$(dirname "$0")/config.sh"
config_load

if [[ -z "$(docker service ls --quiet --filter "label=com.docker.stack.namespace=$BERTH_STACK" 2>/dev/null)" ]]; then
  ok "$BERTH_STACK is down; make up starts it, with the workspaces that are declared to run"
  exit 0
fi
docker stack services --format 'table {{.Name}}\t{{.Replicas}}' "$BERTH_STACK"
echo
for record in "$BERTH_STATE_DIR"/observed/*.json; do
  [[ -e "$record" ]] || { echo 'no workspaces'; break; }
  phase=$(grep -o '"phase": *"[a-z]*"' "$record" | head -n 1 | sed 's/.*: *"\(.*\)"/\1/')
  printf '%-24s %s\n' "$(basename "$record" .json)" "${phase:-unknown}"
done
