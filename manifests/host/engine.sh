#!/usr/bin/env bash
# A running Docker Engine of at least 20.10: installed if there is none, started if it is not up.
set -euo pipefail
source "$(dirname "$0")/lib.sh"

readonly LOG=/var/log/berth-dockerd.log
readonly PIDFILE=/var/run/docker.pid # dockerd's own default

answers() { docker version --format '{{.Server.APIVersion}}' >/dev/null 2>&1; }

install_engine() {
  step 'Installing Docker Engine'
  local wanted=(docker.io) split
  quietly apt 'check the package sources in /etc/apt and the network, then run make up again' \
    apt-get -o APT::Update::Error-Mode=any update
  # Newer distributions ship the client and the builder apart from the engine.
  for split in docker-cli docker-buildx; do
    if [[ -n "$(apt-cache madison "$split" 2>/dev/null)" ]]; then wanted+=("$split"); fi
  done
  DEBIAN_FRONTEND=noninteractive quietly docker-install 'read the log, then run make up again' \
    apt-get install -y --no-install-recommends "${wanted[@]}"
  ok "installed ${wanted[*]}"
}

# After a crash such a file may name a process that is dead but not yet buried, or another program by now;
# dockerd would refuse to start, or wait in vain.
forget_stale_pid() { # $1: file, $2: program
  local pid
  pid=$(cat "$1" 2>/dev/null) || return 0
  [[ "$(cat "/proc/$pid/stat" 2>/dev/null)" =~ ^[0-9]+\ \($2\)\ [^ZX] ]] || rm -f "$1"
}

start_engine() {
  step 'Starting Docker Engine'
  if has_systemd; then
    quietly docker-start 'see: journalctl -u docker' systemctl enable --now docker
  else
    forget_stale_pid "$PIDFILE" dockerd
    forget_stale_pid /var/run/docker/containerd/containerd.pid containerd
    # A session of its own, so that it outlives this shell, make, and the terminal.
    setsid nohup dockerd --pidfile "$PIDFILE" >>"$LOG" 2>&1 </dev/null &
    disown
  fi
  wait_until 60 0.5 answers || {
    [[ -f $LOG ]] && tail -n 10 "$LOG" >&2
    fail 'the Docker Engine did not start within 60 s' "read $LOG (or journalctl -u docker), then run make up again"
  }
}

have dockerd || answers || install_engine
if ! answers && [[ -n "${DOCKER_HOST:-}" ]]; then
  fail "DOCKER_HOST=$DOCKER_HOST does not answer" 'unset DOCKER_HOST: Berth runs on the engine of this machine'
fi
answers || start_engine

api=$(docker version --format '{{.Server.APIVersion}}')
engine=$(docker version --format '{{.Server.Version}}')
IFS=. read -r major minor _ <<<"$engine"
minor=${minor%%[^0-9]*}
if ((major < 20 || (major == 20 && 10#$minor < 10))); then
  fail "Docker Engine $engine is too old" 'upgrade it to 20.10 or newer (the docker.io package of Debian 12 will do), then run make up again'
fi
ok "Docker Engine $engine answers (API $api)"
