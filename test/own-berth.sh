# shellcheck shell=bash
# A Berth of this run's own, beside whatever runs here: names, ports, addresses, state. Meant to be
# sourced by run.sh and bench/run.sh. What was here before stays; what the run brings goes.

[[ $EUID == 0 ]] || {
  echo 'this needs root: it installs Docker and sets firewall rules. Run it with sudo.' >&2
  exit 1
}

free_port() { # the first port from $1 that nobody listens on
  local port=$1
  while (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do port=$((port + 1)); done
  echo "$port"
}
work=$(mktemp -d /var/tmp/berth-test.XXXXXX)
export BERTH_ENV_FILE=/dev/null BERTH_LOG_DIR=$work/logs
# The name tells whose it is: see sweep.
export BERTH_STACK=bt$$ BERTH_STATE_DIR=$work/state BERTH_DOMAIN=berth-test.localhost BERTH_IMAGE_TAG=test
BERTH_HTTP_PORT=$(free_port 18080)
BERTH_HTTPS_PORT=$(free_port 18443)
export BERTH_HTTP_PORT BERTH_HTTPS_PORT BERTH_ADDRESS_POOL=10.212.0.0/16 BERTH_TEST_CONTRACT_POOL=10.213.0.0/20
export BERTH_STOP_GRACE=60 BERTH_HEALTH_INTERVAL=5 DEMO=0 PURGE=yes
# A test may show the controller other figures of the host.
export BERTH_PROC_DIR=$BERTH_STATE_DIR/proc
mkdir -p "$BERTH_LOG_DIR"

engine_before=$(docker version --format '{{.Server.Version}}' 2>/dev/null || true)
swarm_before=$(docker info --format '{{.Swarm.LocalNodeState}}' 2>/dev/null || true)
# Without systemd, an engine that this run starts is nobody else's: a test may kill it.
if [[ -z "$engine_before" && ! -d /run/systemd/system ]]; then export BERTH_TEST_OWN_ENGINE=yes; fi
guard_before=$(manifests/guard/guard.sh check 2>/dev/null && echo yes || true)

# A run that was cut off (power, a killed terminal) left its Berth, which comes back with the engine
# and holds the addresses that this run needs.
sweep() {
  local stack
  for stack in $({
    docker service ls --quiet | xargs -r docker service inspect --format '{{index .Spec.Labels "com.docker.stack.namespace"}}'
    docker network ls --format '{{.Label "com.docker.stack.namespace"}} {{.Label "berth.stack"}}'
    docker volume ls --format '{{.Label "berth.stack"}}'
  } | grep -oE '\bbt[0-9]+\b' | sort -u); do
    [[ "$stack" != "$BERTH_STACK" && ! -d /proc/${stack#bt} ]] || continue
    echo "==> Removing $stack, which an earlier run left" >&2
    BERTH_STACK=$stack BERTH_STATE_DIR=$work/none BERTH_IMAGE_TAG=none manifests/host/purge.sh ||
      echo '    something of it stays; restarting the engine often helps' >&2
  done
}

own_berth_up() {
  manifests/host/packages.sh
  manifests/host/guard.sh # before the engine: it may bring containers back
  manifests/host/engine.sh
  sweep
  mkdir -p "$BERTH_PROC_DIR"
  ln -sf /proc/meminfo /proc/stat "$BERTH_PROC_DIR/"
  manifests/host/up.sh
  BERTH_TEST_KEY=$(manifests/host/keys.sh add test)
  export BERTH_TEST_KEY
}

own_berth_down() {
  trap - EXIT INT TERM
  echo '==> Removing what this run made' >&2
  [[ ! -d "$BERTH_STATE_DIR/secrets" ]] || manifests/host/purge.sh || true
  if [[ -z "$engine_before" || "$swarm_before" != active ]]; then
    [[ -n "$(docker service ls --quiet 2>/dev/null)" ]] || docker swarm leave --force >/dev/null 2>&1 || true
  fi
  if [[ -z "$engine_before" ]] && ! docker ps --quiet | grep -q . && [[ -f /var/run/docker.pid ]]; then
    if [[ -d /run/systemd/system ]]; then systemctl stop docker; else kill "$(cat /var/run/docker.pid)" 2>/dev/null || true; fi
  fi
  [[ -n "$guard_before" ]] || manifests/guard/guard.sh remove || true
  rm -rf --one-file-system "$work"
}
