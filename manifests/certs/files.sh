# shellcheck shell=bash
# BERTH_TLS=files: the operator's own certificate, checked before it is taken. Meant to be sourced; needs
# pair.sh. What is wrong is told by `wrong`.

# An authority that is not one of the public ones, as BERTH_TLS_CA named it at the last make up.
readonly PRIVATE_CA="$TLS/private-ca.crt"

# Takes the files, unless they are in force already. 1: they are not good, and what was taken stays.
take_files() {
  local name file
  for name in BERTH_TLS_CERT BERTH_TLS_KEY; do
    file=${!name}
    [[ -r "$file" && -f "$file" ]] ||
      { wrong "$name=$file cannot be read" "put the file there, or correct $name in .env" && return 1; }
  done
  # The copies are what is checked and taken: the files may change at any time.
  cat "$BERTH_TLS_CERT" >"$WORK/tls.crt"
  cat "$BERTH_TLS_KEY" >"$WORK/tls.key"
  check_pair "$WORK/tls.crt" "$WORK/tls.key" || return 1
  if cmp -s "$WORK/tls.crt" "$TLS/tls.crt" && cmp -s "$WORK/tls.key" "$TLS/tls.key"; then return 0; fi
  take_pair "$WORK/tls.crt" "$WORK/tls.key"
}

check_pair() { # $1: certificate, with the intermediate ones below it; $2: key
  local name because
  openssl x509 -in "$1" -noout 2>/dev/null ||
    { wrong "BERTH_TLS_CERT=$BERTH_TLS_CERT is not a certificate in PEM form" 'name a file that begins with the certificate of the domain (certbot: fullchain.pem)' && return 1; }
  openssl pkey -in "$2" -passin pass: -noout 2>/dev/null ||
    { wrong "BERTH_TLS_KEY=$BERTH_TLS_KEY is not a private key in PEM form without a passphrase" 'name the key of the certificate (certbot: privkey.pem)' && return 1; }
  belong_together "$1" "$2" ||
    { wrong "$BERTH_TLS_KEY is not the key of $BERTH_TLS_CERT" 'name the two files that were made together' && return 1; }
  for name in "$BERTH_DOMAIN" "*.$BERTH_DOMAIN"; do
    covers "$1" "${name/\*/any}" ||
      { wrong "$BERTH_TLS_CERT is not for $name" "get one for $BERTH_DOMAIN and *.$BERTH_DOMAIN, or correct BERTH_DOMAIN in .env" && return 1; }
  done
  openssl x509 -in "$1" -noout -checkend 0 >/dev/null ||
    { wrong "$BERTH_TLS_CERT has expired ($(valid_until "$1"))" 'renew it' && return 1; }
  because=$(vouched_for "$1") ||
    { wrong "nobody vouches for $BERTH_TLS_CERT: $because" "add the intermediate certificates to the file (certbot: fullchain.pem); if a private authority issued it, name that authority's certificate in BERTH_TLS_CA" && return 1; }
}

# By the private authority, where there is one, and otherwise by the public ones that this system trusts.
vouched_for() { # $1: certificate; prints why not
  local trust=() answer
  [[ ! -s "$PRIVATE_CA" ]] || trust=(-no-CApath -no-CAstore -CAfile "$PRIVATE_CA")
  answer=$(openssl verify -purpose sslserver "${trust[@]}" -untrusted "$1" "$1" 2>&1) && return
  sed -n 's/^error [0-9]* at [0-9]* depth lookup: //p' <<<"$answer" | head -n 1
  return 1
}
