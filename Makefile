# Verbs: demo, test, check, bench, chaos, fuzz, durable. Each makes the environment first; the second time that costs nothing.
# Needs Python 3.11 to 3.13 with venv, and a package index; no compiler, no Node.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test check bench chaos fuzz durable format
.DEFAULT_GOAL := test

demo: $(READY) ## a fictional city with live traffic; prints the address of the console
	$(BIN)/haulwatch demo $(ARGS)

test: $(READY) ## everything but the slow suites (ARGS="tests/city -x" for a part)
	$(BIN)/python -m pytest -m "not slow" $(ARGS)

check: $(READY) ## what a commit must pass: lint, format, types, layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

chaos: $(READY) ## a cluster from which things are taken away at random for minutes (ARGS="--seed N --kills N --keep DIR")
	$(BIN)/python -m tests.chaos.storm $(ARGS)

fuzz: $(READY) ## hostile bytes for every parser, guided by coverage (ARGS="--inputs N --parser NAME"); x86-64 Linux
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r tests/fuzz/requirements.txt
	$(BIN)/python -m tests.fuzz.run $(ARGS)

durable: $(READY) ## the second rule engine, an extra: needs a C compiler and Python below 3.13
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-durable.lock

# What they share, and the app that one of them runs as a child, are no programs of their own; the engines need `make durable`.
PROGRAMS := $(filter-out bench/workload.py bench/kafka_load.py bench/idiomatic_faust.py bench/engines.py, $(wildcard bench/*.py))
bench: $(READY) ## the measured figures of the README
	@for program in $(PROGRAMS); do echo "== $$program"; $(BIN)/python $$program || exit 1; done

format: $(READY) ## lets ruff write the files as it wants them
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The lock pins every package by hash; the project itself is a path entry that needs no network.
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2])' \
		|| { echo "haulwatch needs Python 3.11 or later; say which: make PYTHON=python3.12"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@
