# learnsync: everything a person or CI runs. Needs only Python >= 3.11 and make; uses uv where it is installed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# What `make bench` compares learnsync with.
PEERS := $(VENV)/.peers
UV := $(shell command -v uv 2>/dev/null)
# One more than there are processors: a test waits for files and for the sandbox now and then.
WORKERS ?= $(shell $(PYTHON) -c "import os; print((os.cpu_count() or 1) + 1)")
# Of the web pages of `make ui`.
PORT ?= 3000

.DEFAULT_GOAL := help
.PHONY: help install demo ui test soak lint format metadata plain licences bench bench-quick clean

help: ## Show this help
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-11s %s\n", $$1, $$2}'

install: $(STAMP) ## Create .venv and install learnsync with its development tools

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("learnsync needs Python 3.11 or newer, this is %d.%d" % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
ifdef UV
	@test -x $(BIN)/python || $(UV) venv --quiet --python $(PYTHON) $(VENV)
	@$(UV) pip install --quiet --python $(BIN)/python --constraint constraints.txt --editable . --group dev
else
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable . --group dev
endif
	@touch $@

demo: $(STAMP) ## Run the whole way against a local sandbox, through Dagster
	@$(BIN)/learnsync demo

ui: $(STAMP) ## Dagster's web pages and daemon against a local sandbox (PORT=3000)
	@$(BIN)/learnsync ui --sandbox --port $(PORT)

test: $(STAMP) ## Run the test suite
	@$(BIN)/python -m pytest -m "not soak" -n $(WORKERS) --dist worksteal

soak: $(STAMP) ## Run the long tests
	@EXAMPLES=10 $(BIN)/python -m pytest -m "soak or property"

lint: $(STAMP) ## Check style, types, formatting and the licences of what we depend on
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/python .ci/licences.py --check

format: $(STAMP) ## Format the code and fix what can be fixed
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

metadata: $(STAMP) ## Convert the Salesforce metadata with the Salesforce CLI (REQUIRED=1: fail where npm is out of reach)
	@$(BIN)/python .ci/metadata.py $(if $(REQUIRED),--required)

licences: $(STAMP) ## Write docs/licences.md anew
	@$(BIN)/python .ci/licences.py

plain: ## Install with a plain `pip install .` into an empty environment, and run demo and web pages there
	@$(PYTHON) .ci/plain.py

bench: $(PEERS) ## Measure everything at a real portal's size, beside its floor and peers (OPTIONS="--help")
	@$(BIN)/python -m benchmarks $(OPTIONS)

bench-quick: $(STAMP) ## The same in small, once: shows that everything runs
	@$(BIN)/python -m benchmarks --quick $(OPTIONS)

$(PEERS): $(STAMP) pyproject.toml benchmarks/constraints.txt
ifdef UV
	@$(UV) pip install --quiet --python $(BIN)/python --constraint constraints.txt --constraint benchmarks/constraints.txt --group bench
else
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --constraint benchmarks/constraints.txt --group bench
endif
	@touch $@

clean: ## Remove .venv, caches and the demo's files (never your warehouse)
	@test ! -e data/demo/.learnsync-demo || rm -rf data/demo
	@rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info
