#!/usr/bin/env bash
# The gateway: Traefik with the fixed routes and with certificates (docs/tls.md). Arguments are Traefik's.
#
# Traefik does not watch certificates, but whatever happens in the folder of its routes makes it read all
# of them anew. So routes and certificate lie together in a folder of the container's own, and the
# certificate there is replaced when the one in the state folder is another one. Looked at, not watched:
# a state folder may be on a file system that tells nobody of changes.
set -euo pipefail
umask 077

readonly ROUTES="${BERTH_GATEWAY_ROUTES:-/etc/traefik/routes}" TLS="${BERTH_GATEWAY_TLS:-/tls}"
readonly ACME="${BERTH_GATEWAY_ACME:-/acme}" RUN="${BERTH_GATEWAY_RUN:-/run/gateway}"
readonly INTERVAL="${BERTH_GATEWAY_INTERVAL:-5}"
export BERTH_GATEWAY_PAIR="$RUN/routes/tls.pem" # named in routes/tls.yaml

log() { printf '{"time":"%(%FT%TZ)T","level":"%s","message":"%s"}\n' -1 "$1" "$2"; }

# Certificate and key in one file, so that they are replaced at once. 1: there is no pair to take; one
# whose halves do not belong together is just being replaced.
take_pair() {
  local new="$RUN/tls.pem.new" public
  { cat "$TLS/tls.crt" && echo && cat "$TLS/tls.key"; } >"$new" 2>/dev/null || return 1
  ! cmp -s "$new" "$BERTH_GATEWAY_PAIR" || return 0
  public=$(openssl pkey -in "$new" -passin pass: -pubout 2>/dev/null) || return 1
  [[ "$public" == "$(openssl x509 -in "$new" -noout -pubkey 2>/dev/null)" ]] || return 1
  mv "$new" "$BERTH_GATEWAY_PAIR"
  log info "certificate taken: $(openssl x509 -in "$BERTH_GATEWAY_PAIR" -noout -enddate)"
}

# $$ is Traefik's by then: without it there is nothing to do.
keep_taking() {
  while sleep "$INTERVAL" && kill -0 $$ 2>/dev/null; do take_pair || true; done
}

arguments=()

# One certificate for everything where a DNS provider can be asked, otherwise one for each host.
acme() {
  local resolver=--certificatesResolvers.acme.acme line
  arguments+=(
    "$resolver.email=$BERTH_ACME_EMAIL" "$resolver.caServer=$BERTH_ACME_SERVER"
    "$resolver.storage=$ACME/acme.json" "$resolver.keyType=EC256"
    --entryPoints.websecure.http.tls.certResolver=acme
  )
  [[ ! -s "$ACME/server-ca.crt" ]] || arguments+=("$resolver.caCertificates=$ACME/server-ca.crt")
  case "$BERTH_ACME_CHALLENGE" in
    http) arguments+=("$resolver.httpChallenge.entryPoint=web") ;;
    tls) arguments+=("$resolver.tlsChallenge=true") ;;
    dns)
      arguments+=(
        "$resolver.dnsChallenge.provider=$BERTH_ACME_DNS_PROVIDER"
        "--entryPoints.websecure.http.tls.domains[0].main=$BERTH_DOMAIN"
        "--entryPoints.websecure.http.tls.domains[0].sans=*.$BERTH_DOMAIN"
      )
      # What the provider wants to know. Read, never run.
      while IFS= read -r line || [[ -n "$line" ]]; do
        [[ ! "$line" =~ ^([A-Za-z_][A-Za-z0-9_]*)=(.*)$ ]] || export "${BASH_REMATCH[1]}=${BASH_REMATCH[2]}"
      done < <(cat "$ACME/provider.env" 2>/dev/null)
      ;;
  esac
}

mkdir -p "$RUN/routes"
if [[ "$BERTH_TLS" == acme ]]; then
  acme
else
  until take_pair; do
    log error "there is no certificate with its key in $TLS: waiting for it"
    sleep "$INTERVAL"
  done
  keep_taking &
fi
cp "$ROUTES"/*.yaml "$RUN/routes/"
exec traefik "--providers.file.directory=$RUN/routes" --providers.file.watch=true "${arguments[@]}" "$@"
