# shellcheck shell=bash
# Shared by the scripts of this folder: how they speak to the operator.
# Standard output belongs to results (a key, a path); what is going on is told on standard error.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
export ROOT

if [[ -t 2 ]]; then
  BOLD=$'\e[1m' GREEN=$'\e[32m' RED=$'\e[31m' DIM=$'\e[2m' PLAIN=$'\e[0m'
else
  BOLD='' GREEN='' RED='' DIM='' PLAIN=''
fi

# step "What is about to happen"; ok "what is true now".
step() { printf '%s==>%s %s\n' "$BOLD" "$PLAIN" "$*" >&2; }
ok() { printf '    %sok%s %s\n' "$GREEN" "$PLAIN" "$*" >&2; }
note() { printf '    %s%s%s\n' "$DIM" "$*" "$PLAIN" >&2; }

# fail "what is wrong" "what the operator does next": ends the script.
fail() {
  printf '%sfailed:%s %s\n' "$RED" "$PLAIN" "$1" >&2
  [[ -z "${2:-}" ]] || printf '  next: %s\n' "$2" >&2
  exit 1
}

# Runs a command with its output in a log; shows the log's end only when it fails.
# quietly LOGNAME "next step for the operator" command…
quietly() {
  local name=$1 next=$2 log="${BERTH_LOG_DIR:-/var/log}/berth-$1.log"
  shift 2
  if ! "$@" >"$log" 2>&1 </dev/null; then
    tail -n 20 "$log" >&2
    fail "$name: '${*:1:4}' did not succeed (all of its output: $log)" "$next"
  fi
}

# wait_until SECONDS INTERVAL command…: true as soon as the command is, false after the time.
wait_until() {
  local deadline=$((SECONDS + $1)) interval=$2
  shift 2
  until "$@"; do
    ((SECONDS < deadline)) || return 1
    sleep "$interval"
  done
}

have() { command -v "$1" >/dev/null 2>&1; }

has_systemd() { [[ -d /run/systemd/system ]]; }
