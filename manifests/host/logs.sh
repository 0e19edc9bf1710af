#!/usr/bin/env bash
# The logs of one service of Berth (S=api) or of one workspace (W=demo); F=1 goes on following.
set -euo pipefail
source "$(dirname "$0")/lib.sh"
source "$(dirname "$0")/config.sh"
config_load

if [[ -n "${W:-}" ]]; then service="$BERTH_STACK-ws-$W"; else service="${BERTH_STACK}_${S:-controller}"; fi
exec docker service logs --raw --tail "${N:-200}" ${F:+--follow} "$service"
