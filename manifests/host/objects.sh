# shellcheck shell=bash
# What of this stack exists in the engine. Meant to be sourced, after config.sh.
# The label of the stack is compared as a whole, so that a stack whose name begins alike is safe.
# Services go by their names: the engine's lists shorten ids, and its labels do not.

workspace_services() { docker service ls --format '{{.Name}}' --filter "label=berth.stack=$BERTH_STACK" --filter label=berth.workspace; }
stack_services() { docker service ls --format '{{.Name}}' --filter "label=com.docker.stack.namespace=$BERTH_STACK"; }
workspace_networks() { docker network ls --quiet --filter "label=berth.stack=$BERTH_STACK"; }
stack_networks() { docker network ls --quiet --filter "label=com.docker.stack.namespace=$BERTH_STACK"; }
all_containers() {
  docker ps --all --quiet --filter "label=berth.stack=$BERTH_STACK"
  docker ps --all --quiet --filter "label=com.docker.stack.namespace=$BERTH_STACK"
}
# Swarm removes containers of ended tasks by itself, but not those from before the engine left a swarm; they
# hold volumes. One that runs is refused.
remove_ended() { all_containers | sort -u | xargs --no-run-if-empty docker rm >/dev/null 2>&1 || true; }
workspace_volumes() { docker volume ls --quiet --filter "label=berth.stack=$BERTH_STACK"; }

# Nothing of a service runs any more: no task that is not over, on any node, and no container here.
# An engine that does not answer proves nothing.
stopped() { # $1: name of a service
  local tasks containers
  tasks=$(docker service ps --format '{{.CurrentState}}' "$1" 2>/dev/null) || return 1
  containers=$(docker ps --quiet --filter "label=com.docker.swarm.service.name=$1" 2>/dev/null) || return 1
  [[ -z "$containers" ]] && ! grep -Evq '^(Complete|Shutdown|Failed|Rejected|Remove|Orphaned)( |$)|^$' <<<"$tasks"
}
all_stopped() { # names of services
  local service
  for service in "$@"; do stopped "$service" || return 1; done
}
