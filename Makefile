# Every command of the project. `make` or `make help` lists them.
# Needs only make and npm: Node itself (the version that package.json pins) comes with `npm ci`.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

# The pinned Node and the project's tools come first; npm itself keeps the system's Node, because `npm ci` removes the pinned one.
system_path := $(PATH)
export PATH := $(CURDIR)/node_modules/.bin:$(system_path)

# Arguments for the command behind a target: make test ARGS="--tier unit sse"
ARGS ?=
# The image that `make image` starts from; scripts/base-image.sh makes one without a registry.
BASE_IMAGE ?= docker.io/library/node:26-bookworm-slim
IMAGE ?= sidegate:dev
# npm: bundle inside the image build; dist: bundle here and copy.
BUNDLE ?= npm

# npm writes this file at the end of every install, so it is the stamp: `npm ci` runs when it is missing or older than the lockfile.
installed := node_modules/.package-lock.json
requirements := $(wildcard test/sdk/requirements.txt)

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: $(installed) ## Set up and start the demo: a sidecar on 127.0.0.1:15100 with a fake provider, or yours if a key is in the environment
	@exec node cmd/sidegate.ts run --demo $(ARGS)

.PHONY: test
test: setup-test ## Set up and run every test suite; ends with "N passed, N failed, N skipped" (ARGS="--tier unit,golden NAME")
	@node scripts/test.ts $(ARGS)

.PHONY: proof
proof: setup-test ## The long proofs of quotas whole, with their figures; `make test` runs a tenth of each
	@SIDEGATE_PROOF=1 node scripts/test.ts --tier property,proof $(ARGS)

# A kubeconfig that stands in the environment is not meant: it may be production's. Only one on make's command line is.
ifeq ($(origin KUBECONFIG),command line)
export SIDEGATE_E2E_KUBECONFIG := $(abspath $(KUBECONFIG))
endif

.PHONY: e2e
e2e: setup-test ## Tests on a real Kubernetes, which it brings up and takes down; needs root and Go (ARGS="01-" KUBECONFIG=FILE for yours)
	@node scripts/e2e.ts $(ARGS)

.PHONY: e2e-kind
e2e-kind: setup-test ## The same tests on a kind cluster; needs Docker, kind, kubectl, helm and a registry
	@scripts/cluster/kind.sh $(ARGS)

.PHONY: cluster-up
cluster-up: $(installed) ## Bring up that cluster with all images and leave it up; needs root and Go
	@scripts/cluster/build.sh
	@scripts/cluster/up.sh
	@scripts/cluster/images.sh

.PHONY: cluster-down
cluster-down: ## Take the cluster down; binaries and images are kept for the next time
	@scripts/cluster/down.sh

.PHONY: cluster-binaries
cluster-binaries: ## Build etcd, Kubernetes, kubectl, helm from Go modules; no root needed
	@scripts/cluster/build.sh

.PHONY: verify
verify: $(installed) ## All that CI asks but make e2e: generated files, lint, types, tests; fails on a dirty tree
	@scripts/clean-tree.sh before
	@$(MAKE) generate ARGS=--check
	@$(MAKE) lint
	@$(MAKE) types
	@$(MAKE) test ARGS=
	@scripts/clean-tree.sh after

.PHONY: lint
lint: $(installed) ## Formatting, lint rules and dependency rules
	@biome check --error-on-warnings .
	@node scripts/dependencies.ts

.PHONY: types
types: $(installed) ## Check the types
	@tsc -p .

.PHONY: generate
generate: $(installed) ## Write CRDs and reference pages from the schemas (ARGS=--check only compares)
	@node cmd/generate.ts $(ARGS)

.PHONY: format
format: $(installed) ## Format the code, sort imports, apply safe fixes
	@biome check --write .

.PHONY: build
build: $(installed) ## Bundle the processes into dist/
	@node cmd/build.ts $(ARGS)

.PHONY: bench
bench: setup-test ## Measure the sidecar beside bare proxies; writes docs/benchmarks.md
	@node test/bench/bench.ts $(ARGS)

.PHONY: image
image: ## Build the container image with buildah (BASE_IMAGE=... IMAGE=... BUNDLE=dist)
	@BASE_IMAGE='$(BASE_IMAGE)' IMAGE='$(IMAGE)' BUNDLE='$(BUNDLE)' scripts/image.sh

.PHONY: clean
clean: ## Remove what the other targets made, except node_modules
	rm -rf dist coverage .cache .venv

# --- set-up ---

$(installed): package-lock.json
	@PATH='$(system_path)' npm ci --loglevel=error
	@touch $@

.PHONY: setup-test
setup-test: $(installed) $(if $(requirements),.venv/.installed)
	@scripts/setup-redis.sh

.venv/.installed: $(requirements)
	@scripts/setup-python.sh $<
