#!/usr/bin/env bash
# Keeps the certificate of this Berth good, for as long as it runs: looks at it every BERTH_CERTS_INTERVAL
# seconds (60). local: renews it when it has less than 30 days left. files: takes the operator's own when
# they changed. What is in force stays until there is something good to take; the log says why.
set -euo pipefail
umask 077
here=$(dirname "$(readlink -f "$0")")
source "$here/pair.sh"
source "$here/authority.sh"
source "$here/files.sh"

log() { printf '{"time":"%(%FT%TZ)T","level":"%s","message":"%s"}\n' -1 "$1" "${2//\"/\'}"; }

keep_local() {
  ! leaf_is_good || return 0
  if ! ca_is_good; then
    wrong "the authority $TLS/ca.crt has less than 30 days left, or its key is missing" 'run make up: it makes another one, which clients have to be told of'
    return 1
  fi
  make_leaf
}

# A fault is told when it comes and when it is over, not every minute.
told=''
look() {
  local before after
  before=$(cat "$TLS/tls.crt" 2>/dev/null || true)
  WRONG=''
  if [[ "$BERTH_TLS" == files ]]; then take_files || true; else keep_local || true; fi
  after=$(cat "$TLS/tls.crt" 2>/dev/null || true)
  [[ "$before" == "$after" ]] || log info "another certificate for *.$BERTH_DOMAIN, valid until $(valid_until "$TLS/tls.crt")"
  [[ "$WRONG" != "$told" ]] || return 0
  if [[ -n "$WRONG" ]]; then log error "$WRONG; next: $NEXT; until then the old certificate stays"; else log info 'all is well again'; fi
  told=$WRONG
}

rounds() {
  while true; do
    look
    sleep "${BERTH_CERTS_INTERVAL:-60}"
  done
}

rounds &
# Another shell works: see the end of guard.sh.
trap 'kill $!; wait $! || true; exit 0' TERM INT
wait $!
