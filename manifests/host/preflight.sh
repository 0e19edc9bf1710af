#!/usr/bin/env bash
# Says before anything is changed whether this machine can run Berth.
set -euo pipefail
source "$(dirname "$0")/lib.sh"
source "$(dirname "$0")/config.sh"

step 'Checking this machine'
[[ $EUID == 0 ]] || fail 'this needs root (it installs Docker and sets firewall rules)' 'run: sudo make up'
have apt-get || fail 'this is not Debian or Ubuntu (there is no apt-get)' 'use a server with Debian 12 or Ubuntu 22.04, or newer'
config_load

# Images, their build and the layers of running workspaces; less leads to half-built images. Where they are
# built already, a full disk must not keep anybody from what would make room on it.
built() { have docker && docker image inspect "berth/workspace:$BERTH_IMAGE_TAG" "berth/control:$BERTH_IMAGE_TAG" >/dev/null 2>&1; }
NEED_MIB=$(built && echo 512 || echo 6144)
readonly NEED_MIB
folder=$([[ -d /var/lib/docker ]] && echo /var/lib/docker || echo /var/lib)
free_mib=$(df -Pm "$folder" | awk 'NR == 2 { print $4 }')
((free_mib >= NEED_MIB)) ||
  fail "only $free_mib MiB are free below $folder, $NEED_MIB are needed" 'free some space (docker system prune helps) or enlarge the disk'

# Our own gateway holds it.
ours() { # $1: port
  have docker && docker ps --quiet --filter "label=com.docker.swarm.service.name=${BERTH_STACK}_gateway" --filter "publish=$1" 2>/dev/null | grep -q .
}
taken() { # $1: port; any listener, on IPv4 or IPv6
  awk -v port="$(printf '%04X' "$1")" '$4 == "0A" && $2 ~ ":" port "$" { hit = 1 } END { exit !hit }' \
    < <(cat /proc/net/tcp /proc/net/tcp6 2>/dev/null) # without IPv6 there is no tcp6, and awk would give up
}
holder() { # $1: port
  have ss || return 0
  ss -Hltnp "sport = :$1" | grep -o '"[^"]*",pid=[0-9]*' | head -n 1 | sed 's/"\([^"]*\)",pid=\(.*\)/ by \1 (pid \2)/'
}
for name in BERTH_HTTP_PORT BERTH_HTTPS_PORT; do
  ours "${!name}" || ! taken "${!name}" || fail "port ${!name} is taken$(holder "${!name}")" \
    "stop that program, or set $name in .env to another port"
done
ok "$(. /etc/os-release && echo "$PRETTY_NAME"), $((free_mib / 1024)) GiB free, ports $BERTH_HTTP_PORT and $BERTH_HTTPS_PORT usable"
