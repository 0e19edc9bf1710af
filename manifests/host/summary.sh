#!/usr/bin/env bash
# What the operator can do now. The first API key comes in BERTH_FIRST_KEY and is shown only here.
set -euo pipefail
source "$(dirname "$0")/lib.sh"
source "$(dirname "$0")/config.sh"
config_load

api="https://api.$BERTH_DOMAIN$BERTH_PORT_SUFFIX"
ca=$(private_ca)
observed="$BERTH_STATE_DIR/observed/demo.json"

# Links that open a workspace, where there is a key to ask for them with; otherwise its plain URLs.
links_to() { # $1: id
  local trust
  mapfile -t trust < <(curl_trust)
  [[ -n "${BERTH_FIRST_KEY:-}" ]] && curl --noproxy '*' --silent --fail --max-time 10 "${trust[@]}" --request POST \
    --resolve "api.$BERTH_DOMAIN:$BERTH_HTTPS_PORT:127.0.0.1" --config - "$api/api/containers/$1/access" \
    <<<"header = \"Authorization: Bearer $BERTH_FIRST_KEY\"" || cat "$observed"
}

echo
echo "${BOLD}Berth is up.${PLAIN}"
if [[ "$DEMO" != 0 && -f "$observed" ]] && grep -q '"phase": *"running"' "$observed"; then
  echo
  echo 'Your first workspace, on the bucket demo:'
  links=$(links_to demo)
  for service in code vnc web; do
    url=$(grep -o "\"$service\": *\"https://[^\"]*\"" <<<"$links" | head -n 1 | sed 's/.*"\(https:[^"]*\)"/\1/')
    [[ -z "$url" ]] || printf '  %-5s %s\n' "$service" "$url"
  done
  [[ -z "${BERTH_FIRST_KEY:-}" ]] || echo "  (these links open it for $BERTH_ACCESS_LINK; later, its page asks for an API key)"
fi
echo
echo "API                  $api"
bundled_s3 && echo "S3                   https://s3.$BERTH_DOMAIN$BERTH_PORT_SUFFIX (keys: $BERTH_STATE_DIR/secrets/s3.env)"
if [[ -n "$ca" ]]; then
  echo "Certificate to trust $ca"
  echo '  browsers: import it under Settings > Certificates > Authorities'
  echo "  system:   cp $ca /usr/local/share/ca-certificates/$BERTH_STACK-ca.crt && update-ca-certificates"
fi
echo
if [[ -n "${BERTH_FIRST_KEY:-}" ]]; then
  echo "API key (shown this once, kept nowhere in clear):"
  echo "  $BERTH_FIRST_KEY"
  key=$BERTH_FIRST_KEY
else
  echo 'Another API key:  make -s key NAME=me'
  key="\$KEY"
fi
case "$BERTH_DOMAIN" in
  *.localhost) where='' ;; # curl knows that these names are this machine
  *) where=" --resolve api.$BERTH_DOMAIN:$BERTH_HTTPS_PORT:127.0.0.1" ;;
esac
cat <<EXAMPLE

Start another workspace:
  curl${ca:+ --cacert $ca}$where -H "Authorization: Bearer $key" -H 'Content-Type: application/json' \\
    -d '{"bucketId":"demo2"}' '$api/api/containers/start?wait=60'
EXAMPLE
