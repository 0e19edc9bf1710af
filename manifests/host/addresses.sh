#!/usr/bin/env bash
# Whether the range of the control network is free. Swarm says that two networks overlap only in the
# engine's log, and lets the services of the second one wait without end. (The networks of the
# workspaces are laid by the controller, around whatever it finds in the pool.)
set -euo pipefail
source "$(dirname "$0")/lib.sh"
source "$(dirname "$0")/config.sh"
config_load

range() { # $1: a.b.c.d/bits; its first and its last address as numbers
  local a b c d bits first
  IFS=./ read -r a b c d bits <<<"$1"
  first=$((((a << 24) + (b << 16) + (c << 8) + d) & (0xffffffff << (32 - bits))))
  echo "$first $((first + (1 << (32 - bits)) - 1))"
}
overlap() { # two ranges
  local first1 last1 first2 last2
  read -r first1 last1 <<<"$(range "$1")"
  read -r first2 last2 <<<"$(range "$2")"
  ((first1 <= last2 && first2 <= last1))
}
networks() { # name|the stack it belongs to|its subnets; one may vanish between the two calls
  docker network ls --quiet | xargs --no-run-if-empty docker network inspect --format \
    '{{.Name}}|{{index .Labels "com.docker.stack.namespace"}}|{{range .IPAM.Config}}{{.Subnet}} {{end}}' 2>/dev/null || true
}

while IFS='|' read -r name stack subnets; do
  [[ "$stack" != "$BERTH_STACK" ]] || continue
  for subnet in $subnets; do
    [[ "$subnet" =~ ^[0-9.]+/[0-9]+$ ]] || continue # IPv6
    ! overlap "$subnet" "$BERTH_CONTROL_SUBNET" ||
      fail "the network $name has $subnet, and Berth needs $BERTH_CONTROL_SUBNET (the first /24 of BERTH_ADDRESS_POOL)" \
        "set BERTH_ADDRESS_POOL in .env to a free range; or, if nothing needs it: docker network rm $name"
  done
done < <(networks)
ok "the addresses $BERTH_CONTROL_SUBNET are free"
