#!/usr/bin/env bash
# Installs the few tools of the distribution that the other steps need.
set -euo pipefail
source "$(dirname "$0")/lib.sh"

declare -A package_of=(
  [iptables]=iptables [ip]=iproute2 [openssl]=openssl [curl]=curl [tar]=tar
)

missing=()
for tool in "${!package_of[@]}"; do
  have "$tool" || missing+=("${package_of[$tool]}")
done
[[ -e /etc/ssl/certs/ca-certificates.crt ]] || missing+=(ca-certificates)

if ((${#missing[@]} == 0)); then
  ok 'the tools of the distribution are there'
  exit 0
fi

step "Installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
quietly apt 'check the package sources in /etc/apt and the network, then run make up again' \
  apt-get -o APT::Update::Error-Mode=any update
quietly apt 'read the log; often another apt is running: wait for it, then run make up again' \
  apt-get install -y --no-install-recommends "${missing[@]}"
ok 'installed'
