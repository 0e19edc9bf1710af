#!/usr/bin/env bash
# Keeps the firewall rules that keep containers away from private networks and from the host.
#
#   guard.sh apply    makes the rules right, once
#   guard.sh loop     makes them right again every BERTH_GUARD_INTERVAL seconds (15)
#   guard.sh check    exit 0 only if the rules are in force
#   guard.sh remove   takes the rules away
#
# Level-triggered: what it does depends only on what the kernel holds now. Every change is one
# iptables-restore transaction on our own chains, so there is no moment in which the host is open.
# The rules are the same for every stack of this host, so several guards agree with each other.
set -euo pipefail

readonly INTERVAL="${BERTH_GUARD_INTERVAL:-15}"
# The guard's service sees the host's resolver file (or systemd-resolved's folder) here.
readonly RESOLVER="${BERTH_GUARD_RESOLVER:-/etc/resolv.conf}"

# Ranges that are not the public internet (RFC 6890): a workspace has no business there. The ranges
# for documentation are left out: nobody runs private services there, but test networks do put
# their public side there.
readonly PRIVATE4='0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12
  192.0.0.0/24 192.168.0.0/16 198.18.0.0/15 240.0.0.0/4
  168.63.129.16/32' # in a public range, but it hands out a virtual machine's settings in one cloud
# The last two lines: the same written as IPv6 addresses (6to4, NAT64). NAT64 to the public internet stays
# open, being the only way there on some servers.
readonly PRIVATE6='::1/128 fc00::/7 fe80::/10
  2002::/16 64:ff9b:1::/48 64:ff9b::a00:0/104 64:ff9b::6440:0/106 64:ff9b::7f00:0/104
  64:ff9b::a9fe:0/112 64:ff9b::ac10:0/108 64:ff9b::c0a8:0/112 64:ff9b::a83f:8110/128'

log() { printf 'guard: %s\n' "$*" >&2; }

# The kernel may hold Docker's rules in the nft or in the legacy tables: ours must be in the same.
backend() { # $1: iptables | ip6tables
  local kind
  for kind in nft legacy; do
    if command -v "$1-$kind" >/dev/null && "$1-$kind" -w -S DOCKER-USER >/dev/null 2>&1; then
      echo "$1-$kind"
      return
    fi
  done
  echo "$1"
}

restore_of() { # iptables-nft → iptables-nft-restore, iptables → iptables-restore
  echo "$1-restore"
}

# The nameservers that Docker hands to containers: the host's own, or the upstream of
# systemd-resolved where the host's file only names the local stub.
nameservers() { # $1: 4 | 6
  local file="$RESOLVER" upstream=/run/systemd/resolve/resolv.conf
  [[ -d "$file" ]] && file="$file/resolv.conf"
  [[ -r "$file" ]] || return 0
  if [[ -r "$upstream" ]] && ! grep -E '^nameserver' "$file" | grep -qv '127\.0\.0\.53'; then
    file="$upstream"
  fi
  awk -v family="$1" '$1 == "nameserver" {
    six = index($2, ":") > 0
    if ($2 ~ /^127\./ || $2 == "::1" || $2 ~ /[^0-9a-fA-F:.]/) next
    if ((family == 6) == six) print $2
  }' "$file" | sort -u
}

# Bridges whose names look like Docker's (br-<12 hex digits>) but are somebody else's, such as br-lan:
# neither guarded nor trusted as a way out.
foreign_bridges() {
  local path
  for path in /sys/class/net/br-*; do
    [[ -e "$path" && ! "${path##*/}" =~ ^br-[0-9a-f]{12}$ ]] && echo "${path##*/}"
  done
  return 0
}

rules() { # $1: 4 | 6; the content of our chains in iptables-restore's form
  local ranges=$PRIVATE4 name range
  [[ $1 == 6 ]] && ranges=$PRIVATE6
  # BERTH-FORWARD: replies pass; what comes from a container's bridge is examined.
  echo '-A BERTH-FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j RETURN'
  for name in $(foreign_bridges); do echo "-A BERTH-FORWARD -i $name -j RETURN"; done
  for name in docker0 docker_gwbridge br-+; do echo "-A BERTH-FORWARD -i $name -j BERTH-EGRESS"; done
  # BERTH-EGRESS: between containers Docker's own isolation decides; the way out is ours to judge.
  for name in $(foreign_bridges); do echo "-A BERTH-EGRESS -o $name -j BERTH-PRIVATE"; done
  for name in docker0 docker_gwbridge br-+; do echo "-A BERTH-EGRESS -o $name -j RETURN"; done
  echo '-A BERTH-EGRESS -j BERTH-PRIVATE'
  # BERTH-PRIVATE: names must resolve, so the host's nameservers are let through on port 53 only.
  for name in $(nameservers "$1"); do
    echo "-A BERTH-PRIVATE -d $name -p udp -m udp --dport 53 -j RETURN"
    echo "-A BERTH-PRIVATE -d $name -p tcp -m tcp --dport 53 -j RETURN"
  done
  for range in $ranges; do echo "-A BERTH-PRIVATE -d $range -j REJECT"; done
  # BERTH-INPUT: a workspace (docker_gwbridge) or an image build (docker0) may answer the host, never
  # call it. Published ports still work from outside, since they are forwarded (DNAT), not delivered.
  for name in docker_gwbridge docker0; do
    echo "-A BERTH-INPUT -i $name -m conntrack --ctstate RELATED,ESTABLISHED -j RETURN"
    echo "-A BERTH-INPUT -i $name -j REJECT"
  done
}

readonly CHAINS='BERTH-FORWARD BERTH-EGRESS BERTH-PRIVATE BERTH-INPUT'

# Lines that put "-j $3" first in chain $2, and only there; nothing if it is so already.
hook() { # $1: iptables command, $2: chain, $3: target
  local current jumps
  current=$("$1" -w -S "$2" 2>/dev/null | grep '^-A' || true)
  jumps=$(grep -cxF -- "-A $2 -j $3" <<<"$current" || true)
  if [[ $jumps == 1 && "$(head -n 1 <<<"$current")" == "-A $2 -j $3" ]]; then return; fi
  while ((jumps-- > 0)); do echo "-D $2 -j $3"; done
  echo "-I $2 1 -j $3"
}

hooks() { # $1: iptables command, $2: 4 | 6
  # Docker puts its own rules above ours in FORWARD whenever it makes a network, but it keeps
  # DOCKER-USER above them and leaves that chain to the operator. Before Docker's first start, and
  # where it has no such chain, FORWARD itself is the place.
  if [[ $2 == 4 ]] || "$1" -w -S DOCKER-USER >/dev/null 2>&1; then hook "$1" DOCKER-USER BERTH-FORWARD; fi
  if [[ "$("$1" -w -S FORWARD | grep -m 1 '^-A' || true)" != '-A FORWARD -j DOCKER-USER' ]]; then
    hook "$1" FORWARD BERTH-FORWARD
  fi
  hook "$1" INPUT BERTH-INPUT
}

# What the kernel holds of ours, for comparison.
state() { # $1: iptables command
  local chain
  for chain in $CHAINS; do "$1" -w -S "$chain" 2>&1 || true; done
}

declare -A wanted seen # by family: the rules last loaded, and how the kernel shows them

apply_family() { # $1: 4 | 6
  local cmd new chain
  cmd=$(backend "$([[ $1 == 6 ]] && echo ip6tables || echo iptables)")
  if [[ $1 == 6 ]] && ! "$cmd" -w -S INPUT >/dev/null 2>&1; then return 0; fi # a host without IPv6
  new=$(rules "$1")
  if [[ "${wanted[$1]:-}" == "$new" && "${seen[$1]:-}" == "$(state "$cmd")" && -z "$(hooks "$cmd" "$1")" ]]; then
    return 0
  fi
  # Docker keeps this chain when it finds it, so the hook is there before its first container.
  [[ $1 == 6 ]] || "$cmd" -w -N DOCKER-USER 2>/dev/null || true
  {
    echo '*filter'
    for chain in $CHAINS; do echo ":$chain - [0:0]"; done
    echo "$new"
    hooks "$cmd" "$1"
    echo COMMIT
  } | "$(restore_of "$cmd")" -w --noflush || return 1 # errexit is off in here: callers ask for the status
  wanted[$1]=$new
  seen[$1]=$(state "$cmd")
  log "IPv$1 rules are in force ($cmd)"
}

# Rules in one spelling, be they ours or the kernel's. Without the nameservers, since the host and the
# guard's container may read different resolver files.
essence() { grep '^-A' | grep -v -- '--dport 53' | sed 's/ --reject-with .*//'; }

check_family() { # $1: 4 | 6
  local cmd
  cmd=$(backend "$([[ $1 == 6 ]] && echo ip6tables || echo iptables)")
  if [[ $1 == 6 ]] && ! "$cmd" -w -S INPUT >/dev/null 2>&1; then return 0; fi
  [[ -z "$(hooks "$cmd" "$1")" && "$(state "$cmd" | essence)" == "$(rules "$1" | essence)" ]]
}

remove_family() { # $1: 4 | 6
  local cmd chain
  cmd=$(backend "$([[ $1 == 6 ]] && echo ip6tables || echo iptables)")
  for chain in FORWARD DOCKER-USER; do
    while "$cmd" -w -D "$chain" -j BERTH-FORWARD 2>/dev/null; do :; done
  done
  while "$cmd" -w -D INPUT -j BERTH-INPUT 2>/dev/null; do :; done
  for chain in $CHAINS; do "$cmd" -w -F "$chain" 2>/dev/null || true; done
  for chain in $CHAINS; do "$cmd" -w -X "$chain" 2>/dev/null || true; done
}

rounds() {
  while true; do
    # A failed round (another tool holds the lock, say) is tried again in the next one.
    apply_family 4 || log 'IPv4 rules could not be applied'
    apply_family 6 || log 'IPv6 rules could not be applied'
    sleep "$INTERVAL"
  done
}

case "${1:-}" in
  apply) apply_family 4 && apply_family 6 ;;
  check) check_family 4 && check_family 6 ;;
  remove) remove_family 4 && remove_family 6 ;;
  loop)
    rounds &
    # The shell that works is another one: bash 5.2 ends with a syntax error when a trapped signal meets it
    # while it reads a command substitution (certs.sh does the same).
    trap 'kill $!; wait $! || true; exit 0' TERM INT
    wait $!
    ;;
  *)
    echo 'usage: guard.sh apply|check|remove|loop' >&2
    exit 64
    ;;
esac
