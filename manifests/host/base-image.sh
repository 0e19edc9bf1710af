#!/usr/bin/env bash
# Makes berth/base:bookworm, which every other image is built on: the official Debian image where
# a registry answers, otherwise the same suite by debootstrap from the distribution's mirrors.
set -euo pipefail
source "$(dirname "$0")/lib.sh"

readonly OFFICIAL='debian:bookworm-slim@sha256:d5d3f9c23164ea16f31852f95bd5959aad1c5e854332fe00f7b3a20fcc9f635c'
readonly NAME=berth/base:bookworm
readonly PULL_SECONDS=60 ANSWER_SECONDS=8

if docker image inspect "$NAME" >/dev/null 2>&1; then
  ok "the base image $NAME is there"
  exit 0
fi

# A small question first: a pull from a silent registry hangs for minutes.
registry_answers() { timeout "$ANSWER_SECONDS" docker manifest inspect "$OFFICIAL" >/dev/null 2>&1; }

pull() {
  registry_answers || return 1
  step 'Pulling the base image'
  timeout "$PULL_SECONDS" docker pull --quiet "$OFFICIAL" >/dev/null 2>&1 && docker tag "$OFFICIAL" "$NAME"
}

bootstrap() {
  step 'No image registry answers: building the base image from Debian packages (about half a minute)'
  local dir mirror
  if ! have debootstrap; then
    quietly apt 'check the package sources in /etc/apt' \
      apt-get install -y --no-install-recommends debootstrap debian-archive-keyring
  fi
  dir=$(mktemp -d "${TMPDIR:-/var/tmp}/berth-base.XXXXXX")
  # shellcheck disable=SC2064 # the folder's name is known now
  trap "rm -rf --one-file-system '$dir'" EXIT
  quietly debootstrap 'the mirrors of Debian must be reachable; read the log, then run make up again' \
    debootstrap --variant=minbase --include=ca-certificates bookworm "$dir"
  # The mirror that debootstrap chose also has the corrections made since the release.
  mirror=$(awk '$1 == "deb" { print $2; exit }' "$dir/etc/apt/sources.list")
  {
    echo "deb $mirror bookworm main"
    echo "deb $mirror bookworm-updates main"
    echo "deb ${mirror%/}-security bookworm-security main"
  } >"$dir/etc/apt/sources.list"
  rm -rf "$dir"/var/cache/apt/archives/*.deb "$dir"/var/lib/apt/lists/* "$dir"/var/log/*.log "$dir"/usr/share/doc/* "$dir"/usr/share/man/*
  tar -C "$dir" --numeric-owner -c . | docker import --change 'CMD ["bash"]' --message 'debootstrap bookworm' - "$NAME" >/dev/null
}

pull || bootstrap
ok "the base image $NAME is there"
