#!/usr/bin/env bash
# Puts the firewall rules in force before the engine can start any container.
set -euo pipefail
source "$(dirname "$0")/lib.sh"

if "$ROOT/manifests/guard/guard.sh" check 2>/dev/null; then
  ok 'the firewall rules that isolate workspaces are in force'
  exit 0
fi
step 'Applying the firewall rules that isolate workspaces'
"$ROOT/manifests/guard/guard.sh" apply 2>/dev/null ||
  fail 'iptables refused the rules' "run $ROOT/manifests/guard/guard.sh apply to see why"
ok 'containers reach neither private networks nor the ports of this host'
