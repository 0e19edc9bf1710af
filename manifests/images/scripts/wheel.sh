#!/usr/bin/env bash
# Installs one package of requirements/ to /out, with the checksum that is pinned there.
# Behind a proxy that re-signs TLS the build is given the host's CA bundle as a secret; it is used
# here and never stored in an image.
set -euo pipefail
[[ ! -f /run/secrets/ca ]] || export PIP_CERT=/run/secrets/ca
pip install --quiet --disable-pip-version-check --root-user-action=ignore --no-deps --only-binary=:all: \
  --require-hashes --target /out --requirement "/requirements/$1.txt"
