#!/usr/bin/env bash
# Waits until the API answers through the gateway and says that all parts are ready, and so does the bundled S3 server.
set -euo pipefail
source "$(dirname "$0")/lib.sh"
source "$(dirname "$0")/config.sh"
config_load

readonly API="api.$BERTH_DOMAIN" S3="s3.$BERTH_DOMAIN"
mapfile -t TRUST < <(curl_trust)
# An authority may take minutes, the first time.
PATIENCE=$([[ "$BERTH_TLS" == acme ]] && echo 300 || echo 120)
# The name is resolved here: a server's own resolver need not know the domain.
get() { # $1: path; 0 only for an answer below 400
  curl --noproxy '*' --silent --show-error --fail --output /dev/null --max-time 5 "${TRUST[@]}" \
    --resolve "$API:$BERTH_HTTPS_PORT:127.0.0.1" "https://$API$BERTH_PORT_SUFFIX$1" 2>/dev/null
}

# Whom it does not know it answers 403; 404 and 502 are the gateway's, which has not found it yet.
s3_answers() {
  local status
  status=$(curl --noproxy '*' --silent --output /dev/null --write-out '%{http_code}' --max-time 5 "${TRUST[@]}" \
    --resolve "$S3:$BERTH_HTTPS_PORT:127.0.0.1" "https://$S3$BERTH_PORT_SUFFIX/" 2>/dev/null) || return 1
  [[ "$status" == 403 ]]
}

explain() {
  docker stack ps --no-trunc --filter desired-state=running --format '{{.Name}}: {{.CurrentState}} {{.Error}}' "$BERTH_STACK" >&2 || true
}

# A service that is being replaced still answers with what it was; Swarm replaces one after the other.
settled() {
  local state
  for state in $(docker stack services --quiet "$BERTH_STACK" |
    xargs docker service inspect --format '{{if .UpdateStatus}}{{.UpdateStatus.State}}{{end}}'); do
    [[ "$state" == completed ]] || return 1
  done
}

step "Waiting for https://$API$BERTH_PORT_SUFFIX"
wait_until 120 0.3 settled || {
  explain
  fail 'the services of the stack were not replaced within 120 s' "docker stack ps --no-trunc $BERTH_STACK; then run make up again"
}
wait_until "$PATIENCE" 0.3 get /healthz || {
  explain
  [[ "$BERTH_TLS" != acme ]] || note "perhaps there is no certificate yet: $BERTH_ACME_SERVER has to reach $API (see docs/tls.md)"
  fail 'the API does not answer through the gateway' "make logs S=gateway, make logs S=api; then run make up again"
}
wait_until 60 0.3 get /readyz || {
  explain
  curl --noproxy '*' --silent --insecure --resolve "$API:$BERTH_HTTPS_PORT:127.0.0.1" "https://$API$BERTH_PORT_SUFFIX/readyz" >&2 || true
  fail 'the API answers, but not all parts are ready' "make logs S=controller; then run make up again"
}
ok 'the API is ready'
if bundled_s3; then
  wait_until "$PATIENCE" 0.3 s3_answers || {
    explain
    fail 'the bundled S3 server does not answer through the gateway' "make logs S=s3; then run make up again"
  }
  ok 'the bundled S3 server answers'
fi
