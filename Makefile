# `make start`, `make demo` and `make test` need Python 3.11 or newer and nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := .make/ready
# The lint of the pages' scripts runs where Node is; nothing else needs it.
NPM := $(shell command -v npm)
TEMPLATES := engagements externalapi lemnisk_braze segments
# The type checker reads the settings, but asks neither server anything.
NO_SERVERS := DATABASE_URL=postgres:///none REDIS_URL=redis://none
# Several processes (tests/order.py), unless ARGS names files: these begin sooner in one.
PARALLEL = $(if $(findstring tests/,$(ARGS)),,-n logical --dist worksteal)
# Containers often turn this off; compiling all modules is most of a process's start.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: start demo test coverage lint check types style migrations bench fuzz fuzz-segments chaos dump clean

# An empty site that stays; DATABASE_URL and REDIS_URL, or servers that come along.
start: $(READY)
	@$(BIN)/python manage.py start $(if $(ONCE),--once) $(if $(SANDBOX),--sandbox) \
	  $(if $(PORT),--port $(PORT)) $(if $(SANDBOX_PORT),--sandbox-port $(SANDBOX_PORT))

# With data of its own, so that an empty site stays one.
demo: $(READY)
	@VAR_DIR="$${VAR_DIR:-$(CURDIR)/var/demo}" $(BIN)/python manage.py demo $(if $(ONCE),--once) \
	  $(if $(PORT),--port $(PORT)) $(if $(SANDBOX_PORT),--sandbox-port $(SANDBOX_PORT))

# Everything; ARGS goes to pytest: ARGS="-m quick", ARGS="tests/segments -k wait".
test: $(READY)
	$(BIN)/python -m pytest $(PARALLEL) $(ARGS)

# Lines and branches that the tests run; below the floor in pyproject.toml it fails.
coverage: $(READY)
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest $(PARALLEL) $(ARGS)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

# Lint and types; these take longest and one core, so the rest goes on beside them.
lint: $(READY)
	@$(MAKE) --no-print-directory --jobs=2 types style

# And the migrations: what .ci/run checks before the tests.
check: $(READY)
	@$(MAKE) --no-print-directory --jobs=2 types style migrations

types: $(READY)
	$(NO_SERVERS) $(BIN)/mypy .

style: $(READY) $(if $(NPM),node_modules/.package-lock.json)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo --no-cache
	$(BIN)/djhtml --tabwidth 2 --check $(TEMPLATES)
	$(if $(NPM),$(NPM) run --silent lint,@echo 'No Node here: the scripts were not looked at.')

migrations: $(READY)
	$(BIN)/python manage.py check --fail-level WARNING
	$(BIN)/python manage.py makemigrations --check --dry-run

# Servers of its own, a few minutes; SUITE is delivery, people, segments or pages, JSON
# a file for the figures; WRITE=1 writes docs/performance.md, PLAIN=1 leaves out TLS,
# STOCK=1 leaves PostgreSQL its own settings instead of those of docs/scaling.md.
bench: $(READY)
	@$(BIN)/python -m benchmarks.run $(if $(SUITE),--suite $(SUITE)) \
	  $(if $(SIZES),--sizes "$(SIZES)") $(if $(WORKERS),--workers "$(WORKERS)") \
	  $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(SECONDS),--seconds $(SECONDS)) \
	  $(if $(HOLD),--hold $(HOLD)) $(if $(JSON),--json "$(JSON)") \
	  $(if $(PLAIN),--plain) $(if $(STOCK),--stock) $(if $(WRITE),--write)

# Very many odd requests to the tracking API of a real web server; SEED makes others.
fuzz: $(READY)
	$(BIN)/python -m pytest -q -s --fuzz $(or $(N),20000) $(if $(SEED),--fuzz-seed $(SEED)) \
	  tests/segments/tracking/test_fuzz.py tests/segments/tracking/test_openapi.py

# Very many rules, people and orders, against a slow and obvious oracle; SEED makes others.
fuzz-segments: $(READY)
	$(BIN)/python -m pytest -q -n logical --rule-worlds $(or $(N),100) --rule-seed $(or $(SEED),1) \
	  tests/segments/rules/test_rules_against_an_oracle.py \
	  tests/segments/rules/test_events_against_an_oracle.py \
	  tests/segments/membership/test_log_of_every_chunk.py \
	  tests/segments/membership/test_lives.py

# Workers, PostgreSQL and the broker are killed at random in the middle of a run.
chaos: $(READY)
	CHAOS_PEOPLE=$(or $(PEOPLE),60000) CHAOS_KILLS=$(or $(KILLS),60) \
	  CHAOS_RESTARTS=$(or $(RESTARTS),2) CHAOS_SEED=$(SEED) \
	  $(BIN)/python -m pytest -q -s tests/faults/test_chaos.py

# For a release: a database of this version, kept for the tests of every later one.
dump: $(READY)
	@$(BIN)/python -m tests.upgrade.make_dump

$(READY): uv.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed; name it with: make PYTHON=/path/to/python3.11 demo"; exit 1; }
	@test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check 'uv>=0.13'
	@# Who has no home to write to keeps no cache.
	@$(BIN)/uv sync --frozen --quiet $$(test -w "$${HOME:-/nowhere}" || echo --no-cache)
	@mkdir -p $(dir $(READY)) && touch $(READY)

node_modules/.package-lock.json: package-lock.json
	@$(NPM) ci --silent --ignore-scripts --no-audit --no-fund

clean:
	rm -rf $(VENV) .make var node_modules
