# The commands of this project, the same on a laptop and in CI. Each sets up what it needs.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
.DELETE_ON_ERROR:

# Variables of an activated environment would lead our Python somewhere else.
unexport PYTHONPATH PYTHONHOME VIRTUAL_ENV

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
UV := 0.13.9
PYTEST_ARGS ?=
SEEDS ?= 1000
FIRST ?= 0
DEPTH ?= 14

.PHONY: help
help: ## List the commands
	@echo "make COMMAND, where COMMAND is"
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | \
	  awk -F ':.*## ' '{printf "  %-12s %s\n", $$1, $$2}'

# --- see it work -----------------------------------------------------------------------------

.PHONY: demo
demo: $(READY) ## Run an order from `kubectl apply` to its output [CLUSTER=current: in your cluster]
	@$(BIN)/python -m tests.demo up $(if $(CLUSTER),--cluster $(CLUSTER))

.PHONY: demo-down
demo-down: $(READY) ## End all that `make demo` left running
	@$(BIN)/python -m tests.demo down

# --- check it --------------------------------------------------------------------------------

.PHONY: test
test: check ## All that CI runs: check, then every test [PYTEST_ARGS=…]
	@echo "== tests"
	@$(BIN)/python -m pytest $(PYTEST_ARGS)

.PHONY: check
check: $(READY) ## Format, lint, types, import contracts, generated files unchanged
	@echo "== format"
	@$(BIN)/ruff format --check --quiet .
	@echo "== lint"
	@$(BIN)/ruff check --quiet .
	@echo "== types"
	@$(BIN)/mypy
	@echo "== import contracts"
	@$(BIN)/lint-imports --no-logo | grep -E "KEPT|BROKEN|->|kept"
	@echo "== generated files"
	@$(BIN)/python -m perdure.resources.generate --check crds

.PHONY: mutants
mutants: $(READY) ## Plant bugs in copies of the product; each must be caught [MUTANTS="name …" SEEDS=2000]
	@$(BIN)/python -m tests.simulation.planted $(MUTANTS) $(if $(SEEDS),--seeds $(SEEDS))

.PHONY: kill-test
kill-test: $(READY) ## Kill the operator at 60 random moments under load; nothing may be lost
	@$(BIN)/python -m tests.e2e.kill_test

.PHONY: chaos
chaos: $(READY) ## Let everything fail around real operators, and judge [MINUTES=10 SEED=1 OPERATORS=3]
	@$(BIN)/python -m tests.chaos --minutes $(or $(MINUTES),10) --seed $(or $(SEED),1) \
	  --operators $(or $(OPERATORS),3)

.PHONY: simulate
simulate: $(READY) ## Run whole worlds with faults, each from a seed [SEEDS=1000 FIRST=0]
	@$(BIN)/python -m tests.simulation random --seeds $(SEEDS) --first $(FIRST)

.PHONY: sweep
sweep: $(READY) ## Let every request of the canonical workflows meet every fault once
	@$(BIN)/python -m tests.simulation sweep

.PHONY: explore
explore: $(READY) ## Follow every order of deliveries in a small world [DEPTH=14]
	@$(BIN)/python -m tests.simulation explore --depth $(DEPTH)

.PHONY: model
model: $(READY) ## Visit the states of the lane protocol, a million by default [STATES=1000000]
	@$(BIN)/python -m tests.model explore --states $(or $(STATES),1000000)
	@$(BIN)/python -m tests.model walk

.PHONY: bench
bench: $(READY) ## Measure writes, latency, throughput, memory, start-up; writes build/bench.json
	@$(BIN)/python -m tests.bench
	@$(BIN)/python -m tests.bench.stores

# --- change it -------------------------------------------------------------------------------

.PHONY: setup
setup: $(READY) ## Make or renew the Python environment in .venv; the others do it by themselves

.PHONY: manifests
manifests: $(READY) ## Generate the CRDs in crds/ from their models
	@$(BIN)/python -m perdure.resources.generate crds

.PHONY: format
format: $(READY) ## Format the code, and mend what the linter can
	@$(BIN)/ruff format --quiet .
	@$(BIN)/ruff check --quiet --fix .

.PHONY: lock
lock: $(READY) ## Lock the newest dependencies that pyproject.toml allows in requirements.lock
	@echo "== locking"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-input uv==$(UV)
	@$(BIN)/uv pip compile pyproject.toml --group dev --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-header --upgrade --quiet -o requirements.lock

.PHONY: clean
clean: ## End the demo and every test cluster, and delete all that was generated here
	@if [ -e $(READY) ]; then $(BIN)/python -m tests.demo down; fi
	@for cluster in $(wildcard build/cluster/*/); do \
	  $(BIN)/python -m tests.cluster down --name $$(basename $$cluster); done
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

# --- set-up ----------------------------------------------------------------------------------

# pip checks every hash of the lock. The project itself is installed editable, without fetching
# a build backend: it is locked, too.
$(READY): requirements.lock pyproject.toml .ci/find-python
	@python=$$(.ci/find-python) && \
	  echo "== Python environment ($$($$python --version), in $(VENV))" && \
	  $$python -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-input \
	  --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-input \
	  --no-deps --no-build-isolation --editable .
	@touch $@
