#!/usr/bin/env bash
# make down: stops the workspaces (each saves its files first), then Berth itself. Data stays: the
# state folder, the buckets, the workspaces' volumes. make up brings the workspaces back.
set -euo pipefail
source "$(dirname "$0")/lib.sh"
source "$(dirname "$0")/config.sh"
source "$(dirname "$0")/objects.sh"
config_load

docker info >/dev/null 2>&1 || fail 'the Docker Engine does not answer' 'start it (systemctl start docker), then run make down again'
if [[ "$(docker info --format '{{.Swarm.ControlAvailable}}')" != true ]]; then
  ok 'this engine is no Swarm manager, so nothing of Berth runs'
  exit 0
fi

# The controller first: it would bring back what is stopped here.
controller="${BERTH_STACK}_controller"
if docker service inspect "$controller" >/dev/null 2>&1; then
  step 'Stopping the controller'
  docker service scale --detach "$controller=0" >/dev/null
  wait_until 60 0.3 stopped "$controller" || fail 'the controller does not stop' "docker service ps $controller"
  ok 'stopped'
fi

# The agent's last report says whether everything is in the bucket; an older one says nothing.
started=$(mktemp)
trap 'rm -f "$started"' EXIT
saved() { # $1: name of a workspace's service
  local report="$BERTH_STATE_DIR/reports/${1#"$BERTH_STACK-ws-"}.json"
  [[ "$report" -nt "$started" ]] && tr -d ' \n' <"$report" | grep -q '"finalSync":{[^}]*"ok":true'
}

mapfile -t services < <(workspace_services)
if ((${#services[@]} > 0)); then
  step "Stopping ${#services[@]} workspace(s); each saves its files to its bucket first"
  for service in "${services[@]}"; do docker service scale --detach "$service=0" >/dev/null; done
  # Gateway and S3 are still up: the agents need them for the final sync.
  if ! wait_until $((BERTH_STOP_GRACE + 60)) 0.5 all_stopped "${services[@]}"; then
    fail 'some workspaces do not stop' "see docker service ls --filter label=berth.stack=$BERTH_STACK, then run make down again"
  fi
  for service in "${services[@]}"; do
    if saved "$service"; then
      ok "$service: all files are in the bucket"
    else
      note "$service: its last sync was not confirmed; its files are kept in its volumes"
    fi
    docker service rm "$service" >/dev/null
  done
fi

detach() { # $1: network id; takes out whatever is still attached, such as the gateway
  local name # what a dead container has left goes by its name only
  for name in $(docker network inspect --format '{{range .Containers}}{{println .Name}}{{end}}' "$1" 2>/dev/null); do
    docker network disconnect --force "$1" "$name" 2>/dev/null || true
  done
}
refusal=
networks_gone() {
  local network
  for network in $(workspace_networks); do
    detach "$network"
    refusal=$(docker network rm "$network" 2>&1 >/dev/null) || true
    # A node's own copy of a network that Swarm knows no longer: only a prune reaches it.
    [[ "$refusal" != *'not found'* ]] || docker network prune --force --filter "label=berth.stack=$BERTH_STACK" >/dev/null
  done
  [[ -z "$(workspace_networks)" ]]
}
if [[ -n "$(workspace_networks)" ]]; then
  step 'Removing the networks of the workspaces'
  wait_until 60 0.5 networks_gone || fail "some networks cannot be removed: $refusal" "docker network ls --filter label=berth.stack=$BERTH_STACK"
  ok 'removed'
fi

nothing_left() { [[ -z "$(stack_services)$(workspace_services)$(stack_networks)$(all_containers)" ]]; }
if ! nothing_left; then
  step "Removing the stack $BERTH_STACK"
  docker stack rm "$BERTH_STACK" >/dev/null 2>&1 || true
  stack_gone() {
    # A network is refused while a task winds down; the command has given up by then.
    [[ -n "$(stack_services)" ]] || stack_networks | xargs --no-run-if-empty docker network rm >/dev/null 2>&1 || true
    [[ -n "$(stack_services)$(workspace_services)" ]] || remove_ended
    nothing_left
  }
  wait_until 90 0.5 stack_gone || fail 'something of the stack is left' "docker stack ps $BERTH_STACK; docker ps --filter label=com.docker.stack.namespace=$BERTH_STACK"
fi
ok "no service, network or container of $BERTH_STACK is left; data stays in $BERTH_STATE_DIR and in the volumes"
