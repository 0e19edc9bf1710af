#!/usr/bin/env bash
# Brings the stack to what manifests/ and the settings say. Services that are right already stay.
set -euo pipefail
source "$(dirname "$0")/lib.sh"
source "$(dirname "$0")/config.sh"
config_load

image() { # $1: name of an image of ours; its id
  docker image inspect --format '{{.Id}}' "berth/$1:$BERTH_IMAGE_TAG" 2>/dev/null ||
    fail "the image berth/$1:$BERTH_IMAGE_TAG is missing" 'run: make images'
}
revision() { cat "$@" | sha256sum | cut -c 1-16; } # changes when the content does

BERTH_CONTROL_IMAGE=$(image control)
BERTH_GATEWAY_IMAGE=$(image gateway)
BERTH_GUARD_IMAGE=$(image guard)
BERTH_SECRETS_REVISION=$(revision "$BERTH_STATE_DIR"/secrets/{s3.env,agent-token.key})
# The gateway takes another certificate by itself; who trusts an authority is restarted for another one.
BERTH_TLS_REVISION=$(private_ca | xargs --no-run-if-empty cat | revision)
BERTH_ACME_REVISION=$({ cat "$BERTH_STATE_DIR"/acme/{server-ca.crt,provider.env} 2>/dev/null || true; } | revision)
# What the guard reads the host's nameservers from. systemd-resolved replaces its files, so its
# folder is shown to the guard; /etc as a whole would show too much.
BERTH_RESOLVER=/etc/resolv.conf
[[ ! -d /run/systemd/resolve ]] || BERTH_RESOLVER=/run/systemd/resolve
# Where a single file is shown and is replaced, the guard goes on seeing the old one until it is started anew.
BERTH_RESOLVER_REVISION=$({ [[ -d "$BERTH_RESOLVER" ]] || grep '^nameserver' "$BERTH_RESOLVER" || true; } | revision)
export BERTH_RESOLVER_REVISION BERTH_CONTROL_IMAGE BERTH_GATEWAY_IMAGE BERTH_GUARD_IMAGE BERTH_SECRETS_REVISION BERTH_TLS_REVISION BERTH_ACME_REVISION BERTH_RESOLVER

files=(--compose-file "$ROOT/manifests/stack.yaml")
export BERTH_S3_BUNDLED=false
if bundled_s3; then
  BERTH_S3_IMAGE=$(image s3)
  export BERTH_S3_IMAGE BERTH_S3_BUNDLED=true
  files+=(--compose-file "$ROOT/manifests/stack.s3.yaml")
fi

if [[ "$BERTH_TLS" != acme ]]; then
  BERTH_CERTS_IMAGE=$(image certs)
  BERTH_TLS_SOURCE="$BERTH_STATE_DIR/secrets/ca.key"
  [[ "$BERTH_TLS" == local ]] || BERTH_TLS_SOURCE=$(certificate_folder)
  export BERTH_CERTS_IMAGE BERTH_TLS_SOURCE
  files+=(--compose-file "$ROOT/manifests/stack.certs.yaml")
fi

step "Deploying the stack $BERTH_STACK"
quietly "deploy-$BERTH_STACK" "see: docker stack ps --no-trunc $BERTH_STACK" \
  docker stack deploy --prune --resolve-image never "${files[@]}" "$BERTH_STACK"
ok 'deployed'
