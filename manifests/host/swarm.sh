#!/usr/bin/env bash
# This engine as a Swarm manager.
set -euo pipefail
source "$(dirname "$0")/lib.sh"

state() { docker info --format '{{.Swarm.LocalNodeState}} {{.Swarm.ControlAvailable}}'; }

case "$(state)" in
  'active true')
    ok 'this engine is a Swarm manager'
    exit 0
    ;;
  'active false')
    fail 'this node is a worker of another Swarm, and Berth needs a manager' \
      'run make up on a manager, or "docker node promote" this node there, or leave that Swarm here with: docker swarm leave'
    ;;
  locked*) fail 'the Swarm of this engine is locked' 'unlock it with: docker swarm unlock' ;;
  error*) fail 'the Swarm of this engine is in an error state' 'see: docker info; often: docker swarm leave --force, then make up again' ;;
  pending*) fail 'this engine is just joining a Swarm' 'wait until docker info says active, then run make up again' ;;
esac

step 'Initialising Swarm'
# A short task history: stopped tasks keep their containers' layers on the disk.
quietly swarm-init 'several addresses? set BERTH_ADVERTISE_ADDR in .env to the one other nodes may use' \
  docker swarm init --advertise-addr "$BERTH_ADVERTISE_ADDR" --task-history-limit 1
[[ "$(state)" == 'active true' ]] || fail 'Swarm did not become active' 'see: docker info'
ok 'this engine is a Swarm manager'
