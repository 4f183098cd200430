# Needs only a python3 (3.11 to 3.15) with venv. Every target makes the environment it wants, so the
# first one takes a minute and the next ones start at once.
#
#   make PYTHON=python3.13 VENV=.venv-3.13 test     another interpreter beside the usual one

PYTHON ?= python3
VENV ?= .venv
JOBS ?= 2
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

# Real market data lies beside the checkout on some machines. Set the variable, even to nothing, to
# decide for yourself.
ifeq ($(origin NOVATION_DATA),undefined)
ifneq ($(wildcard ../shared/data/.),)
export NOVATION_DATA := $(abspath ../shared/data)
endif
endif

# Multiplies the counts of heavy tests; 1 is what an issue or a page states, and CI runs that.
NOVATION_TEST_SCALE ?= 0.1
export NOVATION_TEST_SCALE

# Images of containers set it. Compiled bytecode, which git ignores, saves each process that a test starts its first second.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup demo test check lint types imports fast bench docs soak lock format clean

help:
	@echo "make setup    environment from the pinned lock, kernels compiled"
	@echo "make demo     the guided run and its report"
	@echo "make test     every test, heavy counts at a tenth (NOVATION_TEST_SCALE=1 for all of them)"
	@echo "make check    format, lint, types, import contracts, fast tests: what a change must pass"
	@echo "make bench    speed, beside a peer or a bound from the same run"
	@echo "make soak     heavy tests alone at twenty times their counts"
	@echo "make docs     the documentation, into site/"
	@echo "make format   rewrite the code as the checks want it"
	@echo "make lock     resolve the dependencies again (ARGS=--upgrade for the newest)"

# --clear: what is installed is what the lock says, without leftovers of the lock before.
$(VENV)/lock.stamp: requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 15))' || \
	  { echo "novation needs Python 3.11 to 3.15; name one: make PYTHON=python3.12 ..." >&2; exit 1; }
	@echo "installing the pinned lock into $(VENV) (about a minute, once)"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(PIP) install -qq --require-hashes -r requirements.lock
	@touch $@

$(VENV)/package.stamp: $(VENV)/lock.stamp pyproject.toml src/novation/_version.py
	@$(PIP) install -qq --no-deps --no-build-isolation --editable .
	@touch $@

setup: $(VENV)/package.stamp
	@$(BIN)/novation warm

demo: $(VENV)/package.stamp
	@$(BIN)/novation demo $(ARGS)

# Both wait for `setup`: two test workers must not compile the same kernels at once.
test: setup
	$(BIN)/pytest -n $(JOBS) --dist worksteal $(ARGS)

check: lint types imports fast

lint: $(VENV)/package.stamp
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .

types: $(VENV)/package.stamp
	$(BIN)/mypy

imports: $(VENV)/package.stamp
	$(BIN)/lint-imports --no-logo

fast: export NOVATION_TEST_SCALE = 0.01
fast: setup
	$(BIN)/pytest -n $(JOBS) --dist worksteal -q -m "not slow" $(ARGS)

soak: export NOVATION_TEST_SCALE = 20
soak: setup
	$(BIN)/pytest -n $(JOBS) --dist worksteal -m heavy $(ARGS)

bench: setup
	$(BIN)/python benchmarks/run.py $(ARGS)

# The documentation's tools stay out of the lock that everyone installs.
.venv-docs/docs.stamp: pyproject.toml
	@$(PYTHON) -m venv --clear .venv-docs
	@.venv-docs/bin/python -m pip --disable-pip-version-check install -qq --editable '.[docs]'
	@touch $@

docs: .venv-docs/docs.stamp
	.venv-docs/bin/mkdocs build --quiet --strict $(ARGS)

lock:
	scripts/lock $(ARGS)

format: $(VENV)/package.stamp
	$(BIN)/ruff check --quiet --fix .
	$(BIN)/ruff format --quiet .

clean:
	rm -rf $(VENV) .venv-docs .venv-lock site .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
