# shellcheck shell=bash
# The settings of this Berth: the environment wins over .env, .env over the defaults below.
# Meant to be sourced; exports every BERTH_* that the stack and the images need.

# shellcheck disable=SC2054 # the comma belongs to the value
config_defaults=(
  BERTH_DOMAIN=berth.localhost
  BERTH_STACK=berth
  BERTH_STATE_DIR=/var/lib/berth
  BERTH_HTTP_PORT=80
  BERTH_HTTPS_PORT=443
  BERTH_TLS=local
  BERTH_TLS_CERT=
  BERTH_TLS_KEY=
  BERTH_TLS_CA=
  BERTH_ACME_EMAIL=
  BERTH_ACME_SERVER=https://acme-v02.api.letsencrypt.org/directory
  BERTH_ACME_CA=
  BERTH_ACME_CHALLENGE=http
  BERTH_ACME_DNS_PROVIDER=
  BERTH_ACME_DNS_ENV_FILE=
  BERTH_ADDRESS_POOL=10.201.0.0/16
  BERTH_ADVERTISE_ADDR=127.0.0.1
  BERTH_API_KEYS=
  BERTH_S3_ENDPOINT=
  BERTH_S3_ROLE_ARN=
  BERTH_S3_STS_ENDPOINT=
  BERTH_S3_SESSION=1h
  BERTH_S3_REGION=us-east-1
  BERTH_S3_CREATE_BUCKETS=
  BERTH_ALLOWED_IMAGES=berth/workspace,berth/testspace
  BERTH_DEFAULT_IMAGE=berth/workspace
  BERTH_IMAGE_TAG=latest
  BERTH_LOG_LEVEL=info
  BERTH_SYNC_INTERVAL=15
  BERTH_START_DEADLINE=300
  BERTH_STOP_DEADLINE=600
  BERTH_STOP_GRACE=300
  BERTH_IDLE_TIMEOUT=10m
  BERTH_ACTIVITY_SIGNALS=files
  BERTH_MAX_AGE=
  BERTH_HEALTH_INTERVAL=30
  BERTH_ARCHIVE_AFTER=24h
  BERTH_PARALLEL_STARTS=8
  BERTH_MEMORY_LIMIT_PERCENT=90
  BERTH_DISK_LIMIT_GIB=20
  BERTH_AUTH_FAILURES_PER_MINUTE=20
  BERTH_ACCESS_LINK=10m
  BERTH_ACCESS_SESSION=12h
  BERTH_PROC_DIR=/proc
  DEMO=1
)

# Reads KEY=VALUE lines; never runs them, since .env is data.
config_read_file() { # $1: file
  local line key value number=0
  while IFS= read -r line || [[ -n "$line" ]]; do
    number=$((number + 1))
    [[ "$line" =~ ^[[:space:]]*(#|$) ]] && continue
    [[ "$line" =~ ^[[:space:]]*([A-Z_][A-Z0-9_]*)=(.*)$ ]] ||
      fail ".env line $number is not KEY=VALUE" 'correct the line (see .env.example)'
    key=${BASH_REMATCH[1]} value=${BASH_REMATCH[2]%$'\r'}
    if [[ "$value" =~ ^\"(.*)\"[[:space:]]*$ || "$value" =~ ^\'(.*)\'[[:space:]]*$ ]]; then value=${BASH_REMATCH[1]}; fi
    [[ -v "$key" ]] || export "$key=$value"
  done <"$1"
}

config_match() { # $1: name, $2: pattern, $3: what it must be
  [[ "${!1}" =~ ^($2)$ ]] || fail "$1='${!1}' is not $3" "correct $1 in .env (see .env.example)"
}

config_validate() {
  local name octet='(25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])'
  config_match BERTH_DOMAIN '([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]' \
    'a domain of at least two labels (a certificate for *.localhost is refused by browsers, *.berth.localhost works)'
  config_match BERTH_STACK '[a-z][a-z0-9-]{0,14}' 'a lower-case name of at most 15 characters'
  config_match BERTH_STATE_DIR '/[A-Za-z0-9._/-]+[A-Za-z0-9]' 'an absolute path'
  config_match BERTH_ADDRESS_POOL "($octet\\.){3}$octet/(8|9|1[0-9]|2[0-3])" 'an IPv4 range of at least /23, such as 10.201.0.0/16'
  config_match BERTH_IMAGE_TAG '[A-Za-z0-9_][A-Za-z0-9._-]{0,127}' 'an image tag'
  config_match BERTH_LOG_LEVEL 'debug|info|warn|error' 'debug, info, warn or error'
  [[ ",${BERTH_ALLOWED_IMAGES//[[:space:]]/}," == *",$BERTH_DEFAULT_IMAGE,"* ]] ||
    fail "BERTH_DEFAULT_IMAGE=$BERTH_DEFAULT_IMAGE is not one of BERTH_ALLOWED_IMAGES=$BERTH_ALLOWED_IMAGES" 'add it there, or choose one of these, in .env'
  config_match BERTH_S3_ROLE_ARN '(arn:[^ ]+)?' 'the ARN of a role, or empty'
  config_match BERTH_S3_STS_ENDPOINT '(https?://[^ /]+/?)?' 'a URL such as https://sts.example.com, or empty'
  config_match BERTH_S3_SESSION '[1-9][0-9]{0,5}[smh]' 'a number and a unit, such as 1h'
  config_validate_session
  config_match BERTH_S3_ENDPOINT '(https?://[^ /]+/?)?' 'a URL such as https://s3.example.com, or empty'
  for name in BERTH_HTTP_PORT BERTH_HTTPS_PORT; do
    config_match "$name" '[1-9][0-9]{0,4}' 'a port'
    ((${!name} < 65536)) || fail "$name=${!name} is not a port" "correct $name in .env"
  done
  [[ "$BERTH_HTTP_PORT" != "$BERTH_HTTPS_PORT" ]] || fail 'BERTH_HTTP_PORT and BERTH_HTTPS_PORT are the same' 'give them different ports in .env'
  config_validate_tls
  config_match BERTH_IDLE_TIMEOUT 'off|[1-9][0-9]{0,5}[smhd]' 'off, or a number and a unit, such as 10m'
  config_match BERTH_ACTIVITY_SIGNALS '(files|terminal|cpu|traffic)(, *(files|terminal|cpu|traffic))*' 'a list of files, terminal, cpu and traffic'
  config_match BERTH_MAX_AGE '([1-9][0-9]{0,5}[smhd])?' 'a number and a unit, such as 12h, or empty'
  config_match BERTH_ARCHIVE_AFTER '[1-9][0-9]{0,5}[smhd]' 'a number and a unit, such as 24h'
  config_match BERTH_PARALLEL_STARTS '[1-9][0-9]{0,2}' 'a whole number from 1 to 999'
  config_match BERTH_MEMORY_LIMIT_PERCENT '[1-9][0-9]?|100' 'a whole number from 1 to 100'
  config_match BERTH_ACCESS_LINK '[1-9][0-9]{0,5}[smhd]' 'a number and a unit, such as 10m'
  config_match BERTH_ACCESS_SESSION '[1-9][0-9]{0,5}[smhd]' 'a number and a unit, such as 12h'
  config_match BERTH_AUTH_FAILURES_PER_MINUTE '0|[1-9][0-9]{0,4}' 'a whole number, or 0 for no limit'
  config_match BERTH_DISK_LIMIT_GIB '0|[1-9][0-9]{0,5}' 'a number of GiB, or 0 for no limit'
  for name in BERTH_SYNC_INTERVAL BERTH_START_DEADLINE BERTH_STOP_DEADLINE BERTH_STOP_GRACE BERTH_HEALTH_INTERVAL; do
    config_match "$name" '[1-9][0-9]{0,5}' 'a number of seconds'
  done
}

# No service gives shorter or longer sessions; workspaces would get no keys at all.
config_validate_session() {
  local seconds=${BERTH_S3_SESSION%[smh]}
  case $BERTH_S3_SESSION in
  *m) seconds=$((seconds * 60)) ;;
  *h) seconds=$((seconds * 3600)) ;;
  esac
  ((seconds >= 900 && seconds <= 43200)) ||
    fail "BERTH_S3_SESSION=$BERTH_S3_SESSION is not from 15m to 12h" 'correct BERTH_S3_SESSION in .env'
}

config_validate_tls() {
  local name path='/[A-Za-z0-9._/@+-]+'
  config_match BERTH_TLS 'local|files|acme' 'local, files or acme'
  for name in BERTH_TLS_CERT BERTH_TLS_KEY BERTH_TLS_CA BERTH_ACME_CA BERTH_ACME_DNS_ENV_FILE; do
    config_match "$name" "($path)?" 'an absolute path of letters, digits and ._@+-, or empty'
  done
  config_match BERTH_ACME_SERVER 'https://[^[:space:]]+' "the https URL of an ACME server's directory"
  config_match BERTH_ACME_EMAIL '([^[:space:]@"]+@[^[:space:]@"]+)?' 'a mail address, or empty'
  config_match BERTH_ACME_CHALLENGE 'http|tls|dns' 'http, tls or dns'
  config_match BERTH_ACME_DNS_PROVIDER '[a-z0-9]*' 'the code of a DNS provider as Traefik knows it, such as cloudflare, or empty'
  if [[ "$BERTH_TLS" == files ]]; then
    for name in BERTH_TLS_CERT BERTH_TLS_KEY; do config_needs "$name" BERTH_TLS=files; done
  elif [[ "$BERTH_TLS" == acme ]]; then
    config_needs BERTH_ACME_EMAIL BERTH_TLS=acme
    [[ "$BERTH_ACME_CHALLENGE" != dns ]] || config_needs BERTH_ACME_DNS_PROVIDER BERTH_ACME_CHALLENGE=dns
    [[ "$BERTH_DOMAIN" != *.localhost || "$BERTH_ACME_SERVER" != *letsencrypt.org/* ]] ||
      fail "no public authority issues certificates for BERTH_DOMAIN=$BERTH_DOMAIN" 'set your own domain, or BERTH_TLS=local, in .env'
  fi
}

config_needs() { # $1: a setting that is empty, $2: the one that needs it
  [[ -n "${!1}" ]] || fail "$2 needs $1, which is empty" "set $1 in .env (see .env.example)"
}

# The first /24 of the pool is the control network; its first address belongs to the bridge.
config_control_subnet() {
  local base=${BERTH_ADDRESS_POOL%/*} a b c d
  IFS=. read -r a b c d <<<"$base"
  : "$d"
  echo "$a.$b.$c.0/24"
}

# Whoever sources this may go elsewhere before it reads the file.
[[ "${BERTH_ENV_FILE:-/}" == /* ]] || export BERTH_ENV_FILE="$PWD/$BERTH_ENV_FILE"

config_load() {
  local pair name file="${BERTH_ENV_FILE:-$ROOT/.env}"
  [[ -z "${BERTH_ENV_FILE:-}" || -e "$file" ]] ||
    fail "BERTH_ENV_FILE names $file, which is not there" 'correct the path; without BERTH_ENV_FILE, .env is read'
  [[ ! -f "$file" ]] || config_read_file "$file"
  for pair in "${config_defaults[@]}"; do
    name=${pair%%=*}
    if [[ -z "${!name:-}" ]]; then export "${pair?}"; else export "${name?}"; fi
  done
  config_validate
  if [[ -z "$BERTH_S3_CREATE_BUCKETS" ]]; then
    BERTH_S3_CREATE_BUCKETS=$([[ -z "$BERTH_S3_ENDPOINT" ]] && echo true || echo false)
  fi
  config_match BERTH_S3_CREATE_BUCKETS 'true|false' 'true or false'
  BERTH_CONTROL_SUBNET=$(config_control_subnet)
  BERTH_PORT_SUFFIX=''
  [[ "$BERTH_HTTPS_PORT" == 443 ]] || BERTH_PORT_SUFFIX=":$BERTH_HTTPS_PORT"
  export BERTH_S3_CREATE_BUCKETS BERTH_CONTROL_SUBNET BERTH_PORT_SUFFIX
}

bundled_s3() { [[ -z "$BERTH_S3_ENDPOINT" ]]; }

# The authority that clients have to be told of; nothing where the public ones vouch for the certificate.
private_ca() {
  local file="$BERTH_STATE_DIR/tls/private-ca.crt"
  [[ "$BERTH_TLS" != local ]] || file="$BERTH_STATE_DIR/tls/ca.crt"
  [[ ! -s "$file" ]] || echo "$file"
}
# The same as arguments of curl, a line each.
curl_trust() {
  local file
  file=$(private_ca)
  [[ -z "$file" ]] || printf '%s\n' --cacert "$file"
}

# The folder that shows the service certs the operator's files, also where these are links into another
# one (certbot: live/ and archive/), so that it sees new ones.
certificate_folder() {
  local file path folder=${BERTH_TLS_CERT%/*}
  for file in "$BERTH_TLS_CERT" "$BERTH_TLS_KEY"; do
    for path in "$file" "$(realpath -- "$file" || echo "$file")"; do
      path=${path%/*}
      while [[ "$path/" != "$folder/"* ]]; do folder=${folder%/*}; done
    done
  done
  # It hides what the container has in its place.
  [[ ! "$folder" =~ ^(/(etc|home|opt|root|run|srv|tmp|usr|usr/[^/]+|var))?$ &&
    ! "$folder" =~ ^/(bin|boot|dev|lib[^/]*|proc|sbin|sys|opt/berth)(/|$) ]] ||
    fail "BERTH_TLS_CERT and BERTH_TLS_KEY have only ${folder:-/} in common" 'put both into a folder of their own, such as /etc/berth-tls'
  echo "$folder"
}
