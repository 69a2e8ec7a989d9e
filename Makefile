# Every target but clean does its own set-up: Python >= 3.11 and make are all it takes.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.locked
PEER := tests/peers/node
# BLAS and OpenMP on one thread per worker: reproducible scores, and far faster on shared cores.
export OMP_NUM_THREADS := 1
export OPENBLAS_NUM_THREADS := 1
export DAGSTER_DISABLE_TELEMETRY := yes
export GX_ANALYTICS_ENABLED := false

.PHONY: help setup demo test check bench soak peers lock clean
help:
	@echo "make demo   the whole walk on simulated factories: collect, compute, report, release, verify"
	@echo "make test   what CI runs: check, then every test that needs nothing but Python"
	@echo "make check  ruff, mypy --strict, import-linter"
	@echo "make bench  side-by-side measurements, each with a peer in the same run"
	@echo "make soak   the long suites"
	@echo "make peers  tests that need Node, Chromium or LibreOffice"
	@echo "make setup  the virtual environment in .venv, from requirements.lock"
	@echo "make lock   resolve pyproject.toml into requirements.lock anew"
	@echo "make clean  remove .venv and build leftovers; homes stay"

setup: $(STAMP)
$(STAMP): requirements.lock pyproject.toml connectors/opcua/_walk.c
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "ParkPulse needs Python 3.11 or newer; run: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $(STAMP)

demo: setup
	$(BIN)/parkpulse demo $(ARGS)

# Two processes (tests/conftest.py shares the tests out), each with one thread of arithmetic: `soak` has them all.
test: setup check
	POLARS_MAX_THREADS=1 $(BIN)/python -m pytest -n 2 -m "not soak and not peers" --hypothesis-profile=gate

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

# Without npm the rows of node-opcua say that they were not run.
bench: setup
	if command -v npm >/dev/null; then npm ci --prefix benchmarks/node --ignore-scripts --no-audit --no-fund --silent; fi
	$(BIN)/python -m benchmarks $(ARGS)

# The long suites, and the laws of the arithmetic and the models with examples that nobody has met yet.
soak: setup
	$(BIN)/python -m pytest -m soak
	$(BIN)/python -m pytest -m "not soak and not peers" tests/pipelines tests/models

peers: setup
	@! command -v npm >/dev/null || $(MAKE) --no-print-directory $(PEER)/node_modules/.package-lock.json || \
		echo "npm could not install $(PEER): its tests will not run"
	$(BIN)/python -m pytest -m peers
$(PEER)/node_modules/.package-lock.json: $(PEER)/package-lock.json
	npm ci --prefix $(PEER) --ignore-scripts --no-audit --no-fund

lock: setup
	$(BIN)/uv pip compile pyproject.toml --all-extras --python-version 3.11 --universal --generate-hashes \
		--no-strip-extras --no-emit-index-url --no-header --output-file requirements.lock

clean:
	rm -rf $(VENV) build *.egg-info
