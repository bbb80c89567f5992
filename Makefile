# Everything runs from the local virtual environment; `make setup` is done for you by the other targets.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready

GEN3 := .venv-gen3

.PHONY: help setup data demo demo-service bench-speed bench-accuracy test test-gen3 test-faults fuzz check lint types lock clean

help:                ## Show this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "python 3.11 or newer is needed; set PYTHON=...")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

setup: $(STAMP)      ## Make .venv with the commands pprl and pprl-broker in it

data: $(STAMP)       ## Labelled data sets into .cache/data (makes .venv-data, once)
	$(BIN)/python -m benchmarks.datasets all

demo: $(STAMP)       ## Link labelled data as sites and a broker would, and score it, in demo/
	$(BIN)/python -m benchmarks.demo

demo-service: $(STAMP) ## The same by way of a broker's service; keeps its console open (after make demo)
	$(BIN)/python -m benchmarks.demo_service $(SERVICE)

bench-speed: $(STAMP) ## Time pprl beside its neighbours, into .cache/speed (makes .venv-peer-*, once)
	$(BIN)/python -m benchmarks.speed $(SPEED)

bench-accuracy: $(STAMP) ## Score pprl beside its neighbours, into .cache/accuracy (makes .venv-peer-*, once)
	$(BIN)/python -m benchmarks.accuracy $(ACCURACY)

test: $(STAMP)       ## Run the tests
	$(BIN)/python -m pytest

$(GEN3)/.ready: tests/gen3_client/requirements.lock $(STAMP)
	$(BIN)/python -m venv --clear $(GEN3)
	$(GEN3)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement $<
	@touch $@

test-gen3: $(GEN3)/.ready ## Drive the service with Gen3's own client (makes .venv-gen3, once)
	PPRL_TEST_GEN3=1 $(BIN)/python -m pytest -n 0 tests/gen3_client

test-faults: $(STAMP) ## Kill, fill, cut and crowd the broker's service (ROUNDS=200 for all of it)
	ROUNDS=$(ROUNDS) GIGABYTES=$(GIGABYTES) $(BIN)/python -m pytest -n 0 tests/faults

fuzz: $(STAMP)       ## Change files that the readers read, for SECONDS (60)
	$(BIN)/python -m tests.faults.fuzz $(or $(SECONDS),60)

lint: $(STAMP)       ## Formatter and linter
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(STAMP)      ## Static types
	$(BIN)/mypy

check: lint types test ## All of the above; what CI runs

LOCK := uv pip compile pyproject.toml --generate-hashes --python-version 3.11 --no-emit-index-url --no-header --quiet

lock:                ## Rewrite the locked requirements from pyproject.toml (needs uv)
	$(LOCK) --all-extras --group dev --output-file requirements.lock
	$(LOCK) --extra broker --extra service --group build --constraint requirements.lock \
	  --output-file docs/operations/requirements.lock

clean:               ## Remove the environments and everything made
	rm -rf $(VENV) .venv-* .cache demo build dist
