#!/usr/bin/env bash
# Declares the first workspace the way operators do, by a file, and waits until it runs.
set -euo pipefail
source "$(dirname "$0")/lib.sh"
source "$(dirname "$0")/config.sh"
config_load
[[ "$DEMO" != 0 ]] || exit 0

readonly DESIRED="$BERTH_STATE_DIR/desired/demo.yaml" OBSERVED="$BERTH_STATE_DIR/observed/demo.json"

field() { grep -o "\"$1\": *\"[^\"]*\"" "$OBSERVED" 2>/dev/null | head -n 1 | sed 's/.*: *"\(.*\)"/\1/'; }
new_uid() { openssl rand -hex 8; }

# Somebody stopped it, and its records went to the archive.
if [[ ! -e "$DESIRED" ]] && compgen -G "$BERTH_STATE_DIR/archive/*/demo.*.json" >/dev/null; then
  note 'the workspace demo is in the archive'
  exit 0
fi

# Whose buckets are elsewhere knows which of them are for what.
if [[ ! -e "$DESIRED" ]] && ! bundled_s3; then
  note 'no first workspace: on an S3 service of your own, choose its bucket yourself'
  exit 0
fi

if [[ ! -e "$DESIRED" ]]; then
  step 'Starting a first workspace on the bucket demo (DEMO=0 leaves it out)'
  cat >"$DESIRED.new" <<YAML
# The first workspace. Edit this file to change it; remove it to have the workspace removed.
apiVersion: berth/v1
kind: Workspace
metadata:
  id: demo
  uid: "$(new_uid)"
spec:
  bucket: demo
  state: running
  image: $BERTH_DEFAULT_IMAGE
YAML
  mv "$DESIRED.new" "$DESIRED"
fi

# The API writes this too when somebody stopped the workspace, or nobody used it.
if ! grep -Eq '^ *state: *"?running' "$DESIRED" || grep -q 'deletionRequestedAt' "$DESIRED"; then
  note 'the workspace demo is stopped'
  exit 0
fi

mapfile -t TRUST < <(curl_trust)
# The record may be older than the last make down, so the route is asked too. Any answer of the
# workspace will do; Traefik itself says 404 (no route) or 502 to 504 (nobody there).
routed() {
  local host="demo-code.$BERTH_DOMAIN" status
  status=$(curl --noproxy '*' --silent --output /dev/null --write-out '%{http_code}' --max-time 5 "${TRUST[@]}" \
    --resolve "$host:$BERTH_HTTPS_PORT:127.0.0.1" "https://$host$BERTH_PORT_SUFFIX/" || true)
  [[ "$status" != 000 && "$status" != 404 && "$status" != 50[234] ]]
}
running() { [[ "$(field phase)" == running ]] && routed; }
# It ended by itself, and is not started again until its declaration is another one.
uid_of_file() { sed -n 's/^ *uid: *"\{0,1\}\([^" ]*\).*/\1/p' "$DESIRED" | head -n 1; }
ended() { [[ "$(field phase)" == stopped && "$(field uid)" == "$(uid_of_file)" ]]; }

if ended; then
  step 'The workspace demo had ended by itself: starting it anew'
  sed -e '/^ *uid: /d' -e "s/^\( *\)id: demo.*/&\n\1uid: \"$(new_uid)\"/" "$DESIRED" >"$DESIRED.new"
  mv "$DESIRED.new" "$DESIRED"
fi
running_or_ended() { running || ended; }
if ! running; then
  note 'waiting until the workspace demo runs'
  wait_until "$BERTH_START_DEADLINE" 0.5 running_or_ended || true
fi
running || {
  grep -o '"message": *"[^"]\+"' "$OBSERVED" 2>/dev/null | sort -u | sed 's/"message": */    /' >&2 || true
  fail 'the workspace demo does not run' "make logs S=controller, make logs S=gateway; the record is $OBSERVED"
}
ok 'the workspace demo is running'
