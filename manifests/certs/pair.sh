# shellcheck shell=bash
# A certificate and its key: what both ways to one (authority.sh, files.sh) have in common.
# Meant to be sourced; needs BERTH_STATE_DIR. Below tls/ the pair in force is tls.crt and tls.key.

readonly TLS="$BERTH_STATE_DIR/tls"
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT

# What is wrong, and what the operator can do about it, for the caller to tell in its own way. Whoever
# asks for the status of a function switches errexit off in it: so each step below is tied to the next.
WRONG='' NEXT=''
wrong() { WRONG=$1 NEXT=$2; }

covers() { openssl x509 -in "$1" -noout -checkhost "$2" | grep -q 'does match'; } # $1: certificate, $2: name

belong_together() { # $1: certificate, $2: key
  local public
  public=$(openssl pkey -in "$2" -passin pass: -pubout 2>/dev/null) &&
    [[ "$public" == "$(openssl x509 -in "$1" -noout -pubkey 2>/dev/null)" ]]
}

# Complete or not at all, whoever reads meanwhile.
put_in_place() { # $1: file, $2: where, $3: mode
  cat "$1" >"$2.new" && chmod "$3" "$2.new" && mv "$2.new" "$2"
}

# The gateway takes neither half before both belong together.
take_pair() { # $1: certificate, $2: key
  put_in_place "$2" "$TLS/tls.key" 600 && put_in_place "$1" "$TLS/tls.crt" 644 ||
    { wrong "$TLS cannot be written" 'is the disk full?' && return 1; }
}

valid_until() { openssl x509 -in "$1" -noout -enddate | cut -d= -f2; }
