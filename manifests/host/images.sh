#!/usr/bin/env bash
# Builds Berth's images: images.sh [target…]. Does nothing when they are there and nothing changed.
set -euo pipefail
source "$(dirname "$0")/lib.sh"
source "$(dirname "$0")/config.sh"
config_load

targets=("$@")
((${#targets[@]} > 0)) || targets=(workspace control gateway s3 guard certs testspace)

readonly INPUTS=(package.json package-lock.json .npmrc build.mjs tsconfig.json
  shared api controller agent manifests/gateway manifests/guard manifests/certs manifests/images)
readonly LOGS="${BERTH_LOG_DIR:-/var/log}"
readonly STAMPS="$ROOT/.cache/images/$BERTH_IMAGE_TAG"

name_of() { echo "berth/$1:$BERTH_IMAGE_TAG"; }
id_of() { docker image inspect --format '{{.Id}}' "$1" 2>/dev/null; }

# The build cache knows best what changed, but it is pruned one day; the stamp keeps "nothing
# changed" true even then.
inputs_hash() {
  (cd "$ROOT" && find "${INPUTS[@]}" -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum &&
    (id_of berth/base:bookworm || true)) | sha256sum | cut -d ' ' -f 1
}
up_to_date() { # $1: target, $2: hash
  local id
  id=$(id_of "$(name_of "$1")") && [[ "$(cat "$STAMPS/$1" 2>/dev/null)" == "$2 $id" ]]
}

# BuildKit comes as the buildx plugin, or inside the clients before 23.0.
builder() {
  local client version
  if docker buildx version >/dev/null 2>&1; then
    echo docker
    return
  fi
  for client in $(type -ap docker) /usr/bin/docker; do
    version=$("$client" --version 2>/dev/null | sed -n 's/^Docker version \([0-9]*\)\..*/\1/p')
    if [[ -n "$version" ]] && ((version < 23)); then
      echo "$client"
      return
    fi
  done
  fail 'this Docker client cannot build with BuildKit' \
    'install the package docker-buildx (or docker-buildx-plugin where Docker came from its own repository)'
}

build() { # $1: target
  local ca=${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt} proxy extra=()
  # The host's CA bundle, for networks whose proxy re-signs TLS: a secret of the build, never baked in.
  [[ ! -r "$ca" ]] || extra+=(--secret "id=ca,src=$ca")
  for proxy in http_proxy https_proxy no_proxy; do
    [[ -z "${!proxy:-}" ]] || extra+=(--build-arg "$proxy")
  done
  # A proxy has a private address as a rule, which the guard keeps containers from.
  [[ -z "${http_proxy:-}${https_proxy:-}" ]] || extra+=(--network host)
  # A month's updates of the distribution: the layers below them are made anew once a month.
  extra+=(--build-arg "UPDATES=$(date +%Y-%m)")
  # With the modes that files shall have in an image, whatever umask the checkout was made with.
  tar --create --directory "$ROOT" --mode 'u=rwX,go=rX' "${INPUTS[@]}" |
    DOCKER_BUILDKIT=1 "$docker" build --progress plain --file manifests/images/Dockerfile \
      --build-arg BASE_IMAGE=berth/base:bookworm "${extra[@]}" --target "$1" --tag "$(name_of "$1")" -
}

hash=$(inputs_hash)
todo=()
for target in "${targets[@]}"; do up_to_date "$target" "$hash" || todo+=("$target"); done
if ((${#todo[@]} == 0)); then
  ok "the images (${targets[*]}) are up to date"
  exit 0
fi

"$ROOT/manifests/host/base-image.sh"
hash=$(inputs_hash)
docker=$(builder)
step "Building the images ${todo[*]} (some minutes the first time, seconds afterwards)"
declare -A pid_of
for target in "${todo[@]}"; do
  build "$target" >"$LOGS/berth-build-$target.log" 2>&1 &
  pid_of[$target]=$!
done
trap 'kill "${pid_of[@]}" 2>/dev/null || true' INT TERM

# What the slowest build is doing, so that minutes of silence do not look like a hang.
progress() {
  local target
  for target in "${!pid_of[@]}"; do
    note "$target, ${SECONDS} s: $(grep -E '^#[0-9]+ \[' "$LOGS/berth-build-$target.log" | tail -n 1 | cut -c 1-110)"
  done
}
mkdir -p "$STAMPS"
failed='' next_note=20
while ((${#pid_of[@]} > 0)); do
  for target in "${!pid_of[@]}"; do
    kill -0 "${pid_of[$target]}" 2>/dev/null && continue
    if wait "${pid_of[$target]}"; then
      echo "$hash $(id_of "$(name_of "$target")")" >"$STAMPS/$target"
      ok "$(name_of "$target") after $SECONDS s"
    else
      failed+=" $target"
    fi
    unset "pid_of[$target]"
  done
  if ((SECONDS >= next_note && ${#pid_of[@]} > 0)); then
    progress
    next_note=$((SECONDS + 20))
  fi
  sleep 0.2
done
for target in $failed; do
  printf '%s\n' "---- last lines of the build of $target ----" >&2
  tail -n 25 "$LOGS/berth-build-$target.log" >&2
done
[[ -z "$failed" ]] || fail "not built:$failed" "the whole output is in $LOGS/berth-build-*.log; often the network was away: run make up again"
