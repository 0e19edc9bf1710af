#!/usr/bin/env bash
# What the images are made of, as CycloneDX documents in dist/sbom/: one for each image with its Debian
# packages and the programs that come as wheels, and one with the npm packages of Berth's own programs.
set -euo pipefail
source "$(dirname "$0")/lib.sh"
source "$(dirname "$0")/config.sh"
config_load

readonly OUT="$ROOT/dist/sbom" REQUIREMENTS="$ROOT/manifests/images/requirements"
# Which image has which wheel.
declare -A wheels=([gateway]=traefik [s3]=seaweedfs [control]=node [workspace]=node [testspace]=node)

component() { # $1: name, $2: version, $3: package URL
  printf '{"type":"library","name":"%s","version":"%s","purl":"%s"}\n' "$1" "$2" "$3"
}

components() { # $1: image
  local name version architecture wheel
  while read -r name version architecture; do
    component "$name" "$version" "pkg:deb/debian/$name@${version//+/%2B}?arch=$architecture"
  done < <(docker run --rm --network none --cap-drop ALL --entrypoint dpkg-query "berth/$1:$BERTH_IMAGE_TAG" \
    -W -f '${Package} ${Version} ${Architecture}\n')
  wheel=${wheels[$1]:-}
  [[ -n "$wheel" ]] || return 0
  IFS='= ' read -r name version _ < <(sed 's/==/ /' "$REQUIREMENTS/$wheel.txt")
  component "$name" "$version" "pkg:pypi/$name@$version"
}

mkdir -p "$OUT"
for image in control gateway certs s3 guard workspace testspace; do
  [[ -n "$(docker image ls --quiet "berth/$image:$BERTH_IMAGE_TAG")" ]] ||
    fail "the image berth/$image:$BERTH_IMAGE_TAG is missing" 'run: make images'
  {
    printf '{"bomFormat":"CycloneDX","specVersion":"1.5","version":1,"metadata":{"component":{"type":"container","name":"berth/%s"}},"components":[\n' "$image"
    components "$image" | paste -sd ',' -
    printf ']}\n'
  } >"$OUT/$image.cdx.json"
done
(cd "$ROOT" && npm sbom --package-lock-only --omit dev --sbom-format cyclonedx) >"$OUT/npm.cdx.json"
ok "written to $OUT"
