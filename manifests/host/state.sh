#!/usr/bin/env bash
# The state folder and the secrets in it. What is there already is never replaced.
set -euo pipefail
source "$(dirname "$0")/lib.sh"
source "$(dirname "$0")/config.sh"
config_load
umask 077

readonly SECRETS="$BERTH_STATE_DIR/secrets"

# Writes standard input to a file, complete or not at all.
write_secret() { # $1: file
  cat >"$1.new"
  chmod 600 "$1.new"
  mv "$1.new" "$1"
}

folders() {
  install -d -m 0755 "$BERTH_STATE_DIR" "$BERTH_STATE_DIR/tls"
  install -d -m 0750 "$BERTH_STATE_DIR"/{desired,observed,reports,audit}
  install -d -m 0700 "$SECRETS" "$BERTH_STATE_DIR"/{s3,acme}
}

random() { openssl rand -hex "$1"; }

# Keys that were made for the bundled server are of no use elsewhere.
of_bundled_server() { [[ -s "$SECRETS/s3.json" ]] && grep -q '^AWS_ACCESS_KEY_ID=BERTH' "$SECRETS/s3.env"; }

# Keys of an S3 service of the operator's own come from .env, into the file the controller reads.
external_credentials() {
  local id=${AWS_ACCESS_KEY_ID:-} secret=${AWS_SECRET_ACCESS_KEY:-} text
  if [[ -n "$id" && -n "$secret" ]]; then
    text=$(printf 'AWS_ACCESS_KEY_ID=%s\nAWS_SECRET_ACCESS_KEY=%s' "$id" "$secret")
    [[ "$(cat "$SECRETS/s3.env" 2>/dev/null)" == "$text" ]] || write_secret "$SECRETS/s3.env" <<<"$text"
  elif [[ ! -s "$SECRETS/s3.env" ]] || of_bundled_server; then
    fail "there are no keys for $BERTH_S3_ENDPOINT" \
      "put AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY into .env (or into $SECRETS/s3.env), then run make up again"
  fi
}

bundled_credentials() {
  if [[ ! -s "$SECRETS/s3.env" ]]; then
    printf 'AWS_ACCESS_KEY_ID=BERTH%s\nAWS_SECRET_ACCESS_KEY=%s\n' "$(random 8 | tr '[:lower:]' '[:upper:]')" "$(random 24)" |
      write_secret "$SECRETS/s3.env"
  fi
  local id secret text
  id=$(sed -n 's/^AWS_ACCESS_KEY_ID=//p' "$SECRETS/s3.env")
  secret=$(sed -n 's/^AWS_SECRET_ACCESS_KEY=//p' "$SECRETS/s3.env")
  text=$(printf '{"identities":[{"name":"berth","credentials":[{"accessKey":"%s","secretKey":"%s"}],"actions":["Admin","Read","Write","List","Tagging"]}]}' "$id" "$secret")
  [[ "$(cat "$SECRETS/s3.json" 2>/dev/null)" == "$text" ]] || write_secret "$SECRETS/s3.json" <<<"$text"
  [[ -s "$SECRETS/s3-iam.json" ]] || bundled_roles | write_secret "$SECRETS/s3-iam.json"
}

# The role of which each workspace gets the part that is its own, for some hours. Only the identity above
# may take it on: a workspace that could would widen its part to the whole.
bundled_roles() {
  cat <<JSON
{"sts":{"tokenDuration":"12h","maxSessionLength":"12h","issuer":"berth","signingKey":"$(openssl rand -base64 32)"},
 "policy":{"defaultEffect":"Deny","storeType":"memory"},
 "roles":[{"roleName":"Workspace","roleArn":"arn:aws:iam::role/Workspace","attachedPolicies":["Files"],
  "trustPolicy":{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["sts:AssumeRole"],"Principal":{"AWS":"arn:aws:iam::000000000000:user/berth"}}]}}],
 "policies":[{"name":"Files","document":{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:*"],"Resource":["arn:aws:s3:::*","arn:aws:s3:::*/*"]}]}}]}
JSON
}

new=$([[ -d "$SECRETS" ]] || echo yes)
folders
if bundled_s3; then bundled_credentials; else external_credentials; fi
[[ -s "$SECRETS/agent-token.key" ]] || random 32 | write_secret "$SECRETS/agent-token.key"
ok "the state folder $BERTH_STATE_DIR and its secrets are $([[ -n "$new" ]] && echo made || echo there)"
