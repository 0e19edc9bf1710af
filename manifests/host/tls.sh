#!/usr/bin/env bash
# A certificate authority of this Berth, and its certificate for the domain and everything one
# label below it. The certificate is renewed when it has less than 30 days left or the domain changed.
set -euo pipefail
source "$(dirname "$0")/lib.sh"
source "$(dirname "$0")/config.sh"
config_load
umask 077

readonly TLS="$BERTH_STATE_DIR/tls" CA_KEY="$BERTH_STATE_DIR/secrets/ca.key"
readonly MONTH=$((30 * 24 * 3600))
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

ca_is_good() {
  [[ -s "$CA_KEY" && -s "$TLS/ca.crt" ]] && openssl x509 -in "$TLS/ca.crt" -noout -checkend "$MONTH" >/dev/null
}
make_ca() {
  step "Making this Berth's own certificate authority"
  openssl ecparam -name prime256v1 -genkey -noout -out "$work/ca.key"
  openssl req -x509 -new -key "$work/ca.key" -sha256 -days 3650 -out "$work/ca.crt" \
    -subj "/O=Berth/CN=Berth local CA $(openssl rand -hex 4)" \
    -addext 'basicConstraints=critical,CA:TRUE,pathlen:0' -addext 'keyUsage=critical,keyCertSign,cRLSign'
  chmod 644 "$work/ca.crt"
  mv "$work/ca.key" "$CA_KEY"
  mv "$work/ca.crt" "$TLS/ca.crt"
}

leaf_is_good() {
  [[ -s "$TLS/tls.key" && -s "$TLS/tls.crt" ]] &&
    openssl x509 -in "$TLS/tls.crt" -noout -checkend "$MONTH" >/dev/null &&
    openssl x509 -in "$TLS/tls.crt" -noout -checkhost "$BERTH_DOMAIN" | grep -q 'does match' &&
    openssl x509 -in "$TLS/tls.crt" -noout -checkhost "any.$BERTH_DOMAIN" | grep -q 'does match' &&
    openssl verify -CAfile "$TLS/ca.crt" "$TLS/tls.crt" >/dev/null 2>&1
}
make_leaf() {
  step "Making the certificate for $BERTH_DOMAIN and *.$BERTH_DOMAIN"
  openssl ecparam -name prime256v1 -genkey -noout -out "$work/tls.key"
  # The names are in subjectAltName: a common name is limited to 64 characters, and no one reads it.
  openssl req -new -key "$work/tls.key" -subj /O=Berth -out "$work/tls.csr"
  # A year and a bit is the most that browsers accept.
  openssl x509 -req -in "$work/tls.csr" -CA "$TLS/ca.crt" -CAkey "$CA_KEY" -sha256 -days 397 \
    -set_serial "0x$(openssl rand -hex 16)" -out "$work/tls.crt" -extfile <(
      cat <<EXT
basicConstraints=critical,CA:FALSE
keyUsage=critical,digitalSignature
extendedKeyUsage=serverAuth
subjectAltName=DNS:$BERTH_DOMAIN,DNS:*.$BERTH_DOMAIN
subjectKeyIdentifier=hash
authorityKeyIdentifier=keyid
EXT
    ) 2>"$work/log" || { cat "$work/log" >&2; fail 'openssl could not sign the certificate' "check $TLS and $CA_KEY"; }
  chmod 644 "$work/tls.crt"
  mv "$work/tls.key" "$TLS/tls.key"
  mv "$work/tls.crt" "$TLS/tls.crt"
}

ca_is_good || make_ca
leaf_is_good || make_leaf
ok "the certificate for *.$BERTH_DOMAIN is valid until $(openssl x509 -in "$TLS/tls.crt" -noout -enddate | cut -d= -f2)"
