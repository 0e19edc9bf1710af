# shellcheck shell=bash
# BERTH_TLS=local: a certificate authority of this Berth, and its certificate for the domain and everything
# one label below it. Meant to be sourced; needs pair.sh. What is wrong is told by `wrong`.

readonly CA_KEY="$BERTH_STATE_DIR/secrets/ca.key"
readonly MONTH=$((30 * 24 * 3600))

ca_is_good() {
  [[ -s "$CA_KEY" && -s "$TLS/ca.crt" ]] && openssl x509 -in "$TLS/ca.crt" -noout -checkend "$MONTH" >/dev/null
}

# For the operator to call only: whoever has to trust the authority is to be told of another one.
make_ca() {
  openssl ecparam -name prime256v1 -genkey -noout -out "$WORK/ca.key"
  openssl req -x509 -new -key "$WORK/ca.key" -sha256 -days 3650 -out "$WORK/ca.crt" \
    -subj "/O=Berth/CN=Berth local CA $(openssl rand -hex 4)" \
    -addext 'basicConstraints=critical,CA:TRUE,pathlen:0' -addext 'keyUsage=critical,keyCertSign,cRLSign'
  put_in_place "$WORK/ca.key" "$CA_KEY" 600
  put_in_place "$WORK/ca.crt" "$TLS/ca.crt" 644
}

leaf_is_good() {
  [[ -s "$TLS/tls.key" && -s "$TLS/tls.crt" ]] && belong_together "$TLS/tls.crt" "$TLS/tls.key" &&
    openssl x509 -in "$TLS/tls.crt" -noout -checkend "$MONTH" >/dev/null &&
    covers "$TLS/tls.crt" "$BERTH_DOMAIN" && covers "$TLS/tls.crt" "any.$BERTH_DOMAIN" &&
    openssl verify -CAfile "$TLS/ca.crt" "$TLS/tls.crt" >/dev/null 2>&1
}

make_leaf() {
  if ! sign_leaf 2>"$WORK/log"; then
    wrong "openssl could not sign the certificate: $(tail -n 1 "$WORK/log")" "check $TLS/ca.crt and $CA_KEY"
    return 1
  fi
  take_pair "$WORK/tls.crt" "$WORK/tls.key"
}

sign_leaf() {
  # The names are in subjectAltName: a common name is limited to 64 characters, and no one reads it.
  # A year and a bit is the most that browsers accept.
  openssl ecparam -name prime256v1 -genkey -noout -out "$WORK/tls.key" &&
    openssl req -new -key "$WORK/tls.key" -subj /O=Berth -out "$WORK/tls.csr" &&
    openssl x509 -req -in "$WORK/tls.csr" -CA "$TLS/ca.crt" -CAkey "$CA_KEY" -sha256 -days 397 \
      -set_serial "0x$(openssl rand -hex 16)" -out "$WORK/tls.crt" -extfile <(
        cat <<EXT
basicConstraints=critical,CA:FALSE
keyUsage=critical,digitalSignature
extendedKeyUsage=serverAuth
subjectAltName=DNS:$BERTH_DOMAIN,DNS:*.$BERTH_DOMAIN
subjectKeyIdentifier=hash
authorityKeyIdentifier=keyid
EXT
      )
}
