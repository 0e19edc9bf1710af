# Berth. `make` alone lists what there is. Settings: .env (see .env.example) or the environment.
SHELL := /bin/bash
.DEFAULT_GOAL := help
HOST := manifests/host
# Node of the host, or a pinned one in .cache/node; found only by the commands that need it.
WITH_NODE = NODE_BIN="$$($(HOST)/node.sh)" && export PATH="$$NODE_BIN:$$PATH" &&

.PHONY: help up down purge key keys key-revoke key-rotate images sbom audit plan status logs guard check test nightly bench build

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

up: ## set everything up and start Berth (as root; DEMO=0 leaves the first workspace out)
	@$(HOST)/up.sh

down: ## stop workspaces (they save their files) and Berth; data stays
	@$(HOST)/down.sh

purge: ## down, and remove all data too (asks; PURGE=yes does not)
	@$(HOST)/purge.sh

key: ## add an API key and print it: make -s key NAME=ci [SCOPE=read|write|admin] [EXPIRES=90d] [LABELS="team=a"] [BUCKETS="team-a-*"]
	@$(HOST)/keys.sh add "$(NAME)" $(if $(SCOPE),--scope "$(SCOPE)") $(if $(EXPIRES),--expires "$(EXPIRES)") \
		$(foreach label,$(LABELS),--label "$(label)") $(foreach place,$(BUCKETS),--bucket "$(place)")

keys: ## list the API keys
	@$(HOST)/keys.sh list

key-revoke: ## withdraw an API key: ID=bkq3fa7x2m
	@$(HOST)/keys.sh revoke "$(ID)"

key-rotate: ## replace an API key by one that may do the same, and print it: ID=bkq3fa7x2m [GRACE=1h]
	@$(HOST)/keys.sh rotate "$(ID)" $(if $(GRACE),--grace "$(GRACE)")

images: ## build the images
	@$(HOST)/images.sh

sbom: ## write down what the images are made of (CycloneDX, in dist/sbom/)
	@$(WITH_NODE) $(HOST)/sbom.sh

audit: ## ask the npm registry for known faults of what the programs use
	@$(WITH_NODE) npm audit --omit dev --audit-level high

plan: ## what the controller would do next, without doing it: W=<workspace>, DIR=<folder of declarations>
	@W="$(W)" DIR="$(DIR)" $(HOST)/plan.sh

status: ## what runs
	@$(HOST)/status.sh

logs: ## logs: S=api|controller|gateway|certs|s3|guard or W=<workspace>, F=1 follows, N=lines
	@S="$(S)" W="$(W)" F="$(F)" N="$(N)" $(HOST)/logs.sh

guard: ## apply the firewall rules that isolate workspaces
	@$(HOST)/guard.sh

node_modules/.package-lock.json: package.json package-lock.json
	@$(WITH_NODE) npm ci --no-audit --no-fund
	@touch $@

build: node_modules/.package-lock.json ## bundle the programs into dist/
	@$(WITH_NODE) npm run --silent build

check: node_modules/.package-lock.json ## types, lint, unit and property tests, simulation; needs no Docker
	@for script in $(HOST)/*.sh manifests/{guard,gateway,certs}/*.sh manifests/images/scripts/*.sh; do bash -n "$$script" || exit 1; done
	@$(WITH_NODE) npm run --silent types && npm run --silent lint && npx mocha 'test/unit/**/*.test.ts' && npx mocha --parallel --jobs 2 'test/{property,simulation}/**/*.test.ts'

test: node_modules/.package-lock.json ## check, then integration, contract and end-to-end tests on real Docker (as root)
	@$(WITH_NODE) test/run.sh

nightly: node_modules/.package-lock.json ## make test with far more rounds (three to four hours)
	@$(WITH_NODE) BERTH_PROPERTY_RUNS=10000 BERTH_SIM_SEEDS=10000 BERTH_API_EXAMPLES=8000 BERTH_TEST_KILL_ROUNDS=1000 BERTH_TEST_ENGINE_KILLS=30 test/run.sh

bench: node_modules/.package-lock.json ## measure starts beside bare Docker calls, and syncs beside rclone and aws
	@$(WITH_NODE) test/bench/run.sh
