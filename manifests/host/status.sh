#!/usr/bin/env bash
# What runs: Berth's own services and the workspaces, by the engine and by the records.
set -euo pipefail
source "$(dirname "$0")/lib.sh"
source "$(dirname "$0")/config.sh"
config_load

docker stack services --format 'table {{.Name}}\t{{.Replicas}}' "$BERTH_STACK"
echo
for record in "$BERTH_STATE_DIR"/observed/*.json; do
  [[ -e "$record" ]] || { echo 'no workspaces'; break; }
  phase=$(grep -o '"phase": *"[a-z]*"' "$record" | head -n 1 | sed 's/.*: *"\(.*\)"/\1/')
  printf '%-24s %s\n' "$(basename "$record" .json)" "${phase:-unknown}"
done
