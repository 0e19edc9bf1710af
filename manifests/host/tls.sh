#!/usr/bin/env bash
# The certificate for the domain and everything one label below it, by BERTH_TLS (docs/tls.md): of this
# Berth's own authority, or the operator's files, or what the gateway needs to ask an ACME server itself.
# What is good already stays. The service certs goes on from here by the same rules.
set -euo pipefail
source "$(dirname "$0")/lib.sh"
source "$(dirname "$0")/config.sh"
config_load
umask 077
source "$ROOT/manifests/certs/pair.sh"
source "$ROOT/manifests/certs/authority.sh"
source "$ROOT/manifests/certs/files.sh"
readonly ACME="$BERTH_STATE_DIR/acme"

or_fail() { "$@" || fail "$WRONG" "$NEXT"; }

# A file of the operator's, in the state folder or gone from there with its setting.
copy_of() { # $1: name of the setting, $2: where, $3: mode
  local file=${!1}
  [[ -n "$file" ]] || { rm -f "$2" && return; }
  [[ -r "$file" && -f "$file" ]] || fail "$1=$file cannot be read" "put the file there, or correct $1 in .env"
  cmp -s "$file" "$2" || put_in_place "$file" "$2" "$3"
}
authority() { # $1: name of the setting, $2: where
  copy_of "$1" "$2" 644
  [[ ! -e "$2" ]] || openssl x509 -in "$2" -noout 2>/dev/null ||
    { rm -f "$2" && fail "$1=${!1} is not a certificate in PEM form" "name the authority's certificate"; }
}

local_certificate() {
  ca_is_good || { step "Making this Berth's own certificate authority" && make_ca; }
  leaf_is_good || { step "Making the certificate for $BERTH_DOMAIN and *.$BERTH_DOMAIN" && or_fail make_leaf; }
}

acme_files() {
  mkdir -p "$ACME"
  authority BERTH_ACME_CA "$ACME/server-ca.crt"
  [[ "$BERTH_ACME_CHALLENGE" != http || "$BERTH_HTTP_PORT" == 80 ]] ||
    note "the proof comes to port 80: it has to be led to port $BERTH_HTTP_PORT of this machine"
  copy_of BERTH_ACME_DNS_ENV_FILE "$ACME/provider.env" 600
  [[ ! -e "$ACME/provider.env" ]] || ! grep -Evq '^[[:space:]]*(#.*)?$|^[A-Za-z_][A-Za-z0-9_]*=' "$ACME/provider.env" ||
    fail "BERTH_ACME_DNS_ENV_FILE=$BERTH_ACME_DNS_ENV_FILE has lines that are not KEY=VALUE" 'correct them'
}

authority BERTH_TLS_CA "$PRIVATE_CA"
case "$BERTH_TLS" in
  local) local_certificate ;;
  files)
    or_fail take_files
    certificate_folder >/dev/null
    ;;
  acme)
    acme_files
    ok "the gateway gets certificates from $BERTH_ACME_SERVER"
    exit 0
    ;;
esac
ok "the certificate for *.$BERTH_DOMAIN is valid until $(valid_until "$TLS/tls.crt")"
