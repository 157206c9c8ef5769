# `make PYTHON=/path/to/python3` says which Python makes .venv, which all the rest uses alone.
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help demo up test test-browser test-containers test-bench check bench bench-quick canary faults lock key-races test-corruption clean

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1	/p' $(MAKEFILE_LIST) | expand -t 18

demo: .venv/runtime ## one realistic day through the whole system; ends by itself
	@$(BIN)/steward demo

up: .venv/runtime ## start the whole system and stay; Ctrl-C stops it
	@exec $(BIN)/steward up

# Each process starts servers of its own. Given ones have roles with one password each: one process.
# One more than two cores, as tests wait a lot; beside other work take two (docs/adr/0116).
TEST_PROCESSES ?= $(if $(DATABASE_URL),0,3)
PYTEST := $(BIN)/python -m pytest --numprocesses $(TEST_PROCESSES) --dist loadscope --no-loadscope-reorder

test: check ## every check: style, types, imports, tests
	$(PYTEST) -m "not bench and not browser" $(PYTEST_ARGS)

check: .venv/checks
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --num-workers 2
	$(BIN)/lint-imports

test-containers: .venv/checks ## the tests that use Kafka or PostgreSQL, against containers; needs an engine
	$(PYTEST) --containers -m "not bench and not browser and not system" $(PYTEST_ARGS)

test-browser: .venv/checks ## the web console in Chromium, with an accessibility checker
	$(BIN)/python -m pytest -m browser tests/audit/console $(PYTEST_ARGS)

test-corruption: .venv/checks ## the published log changed in 10,000 ways, the database in 2,000: all named
	STEWARD_TEST_CORRUPTIONS=10000 $(BIN)/python -m pytest --timeout 1200 \
		tests/audit/test_corruption.py tests/audit/test_verify.py $(PYTEST_ARGS)

test-bench: .venv/checks ## every benchmark, small: does it run?
	$(BIN)/python -m pytest -m bench tests/bench $(PYTEST_ARGS)

key-races: .venv/checks ## makers, users, destroyers and rotation of the same keys, in a thousand orders (long)
	KEY_RACES=1000 $(BIN)/python -m pytest --timeout 600 tests/privacy/test_key_machine.py \
		tests/privacy/test_rotation_killed.py $(PYTEST_ARGS)

bench: .venv/bench ## measure, half an hour; writes bench/results/latest.json
	$(BIN)/python -m bench $(BENCH_ARGS)
	$(BIN)/python -m bench.report

bench-quick: .venv/bench ## the same small, a few minutes; writes nothing
	$(BIN)/python -m bench --quick $(BENCH_ARGS)

canary: .venv/checks ## a day with marked personal data, and a search for the marks everywhere
	$(BIN)/python -m tests.canary $(CANARY_ARGS)

faults: .venv/checks ## injure the real stack under load (long); writes tests/faults/results/latest.json
	$(BIN)/python -m tests.faults

# A lock file holds names and hashes, no address: who installs decides where from.
COMPILE = $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url \
	--python-version 3.11 --custom-compile-command "make lock"

lock: .venv/checks ## resolve requirements*.in and the Java packages anew
	$(COMPILE) --upgrade requirements.in --output-file requirements.lock
	$(COMPILE) --upgrade requirements-bench.in --output-file requirements-bench.lock
	$(COMPILE) --upgrade requirements-dev.in --output-file requirements-dev.lock
	$(BIN)/python -m shared.local.packages

# What marks a home folder that Steward has used. Without one of these nothing runs on it and nothing
# lies elsewhere for it. STEWARD_HOME may name another one: that is not of this folder, and stays.
MARKS := run/lock secrets/inbox-key demo/run/lock
USED = $(wildcard $(addprefix .local/,$(MARKS)))
REMOVE = env -u STEWARD_HOME $(BIN)/steward down --remove-everything --yes

# What runs there may run with this .venv: then it is not stopped, for it is not of this folder, but
# .venv is not taken from under it either.
ELSEWHERE = test -n "$$STEWARD_HOME" && ! test "$$STEWARD_HOME" -ef .local

clean: ## stop what runs on .local; remove it, secrets too, and .venv; not while another STEWARD_HOME is in use
	@! test -x $(BIN)/steward || ! { $(ELSEWHERE); } || $(BIN)/python -m services.cli.in_use
	@! test -x $(BIN)/steward || test -z "$(USED)" || $(REMOVE)
	if mountpoint -q .local; then find .local -mindepth 1 -maxdepth 1 ! -name lost+found -exec rm -rf {} +; \
	else rm -rf .local || { left="$$(ls -A .local)" && test -z "$${left#lost+found}"; }; fi # a mount point stays, with what is its own
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache \
		.hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/python:
	@python="$(or $(PYTHON),$$(deploy/quickest-python))" && "$$python" -m venv .venv \
	&& echo "made .venv with $$("$$python" -VV), $$python"
	@touch $@

# Hashes are checked, nothing else is installed, and again only when the lock file changes.
.venv/runtime: requirements.lock pyproject.toml | .venv/python
	@echo "installing what requirements.lock pins, hashes checked: about a minute"
	@$(PIP) install --quiet --require-hashes --requirement requirements.lock
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

.venv/bench: requirements-bench.lock .venv/runtime
	@echo "installing what requirements-bench.lock pins"
	@$(PIP) install --quiet --require-hashes --requirement requirements-bench.lock
	@touch $@

.venv/checks: requirements-dev.lock .venv/runtime
	@echo "installing what requirements-dev.lock pins"
	@$(PIP) install --quiet --require-hashes --requirement requirements-dev.lock
	@touch $@
