# Needs make and Python 3.11 or newer; everything else installs itself into .venv.
# Paths are relative throughout, so that the folder may have spaces in its name.

VENV := .venv
PY := $(VENV)/bin/python
ARGS ?=
LONG ?=
# Another interpreter: make test PYTHON=/path/to/python3.13
PYTHON ?=
PYTEST := $(PY) -m pytest
PIP := $(PY) -m pip --disable-pip-version-check --no-input --quiet
# Sorted by file, so that what a module sets up once is set up by one worker only; in the order of tests/order.py.
WORKERS ?= 2
PARALLEL := -n $(WORKERS) --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test check faults bench bench-check audit sbom lint format venv compiled chromium clean

help: ## List what make can do
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1|\2/p' Makefile | while IFS='|' read -r target text; do \
		printf '%-18s %s\n' "$$target" "$$text"; done

demo: $(VENV)/.runtime ## Run Milepost beside a simulated enterprise (ARGS="--data-dir DIR --seed 3")
	@$(VENV)/bin/milepost demo $(ARGS)

# Playwright keeps an event loop running in its thread, in which no asynchronous test can run: the browser tests have
# processes of their own. Status 5 is "no test selected", which ARGS may bring about in either part.
test: $(VENV)/.dev compiled chromium ## Run every test (ARGS="-k name")
	@export MILEPOST_CHROMIUM="$$(cat $(VENV)/.chromium 2>/dev/null)"; \
	allowed() { [ $$1 -eq 0 ] || { [ $$1 -eq 5 ] && [ -n '$(subst ','\'',$(ARGS))' ]; }; }; \
	browser=0; $(PYTEST) $(PARALLEL) $(ARGS) tests/browser || browser=$$?; \
	others=0; $(PYTEST) $(PARALLEL) --ignore tests/browser $(ARGS) || others=$$?; \
	allowed $$browser && allowed $$others

check: $(VENV)/.dev lint ## Lint, and run the fast tests: what to do before every commit
	@$(PYTEST) $(PARALLEL) --hypothesis-profile few -m "not slow and not acceptance and not browser" tests/unit tests/integration $(ARGS)

faults: $(VENV)/.dev compiled ## Break everything at random, and see that nothing is lost (ARGS="--seed 7", LONG=1 for an hour or more)
	@LONG="$(LONG)" $(PY) -m tests.faults $(ARGS)

bench: $(VENV)/.dev compiled ## Measure the speed of this machine and of Milepost on it
	@$(PY) -m benchmarks $(ARGS)

bench-check: $(VENV)/.dev compiled ## Whether Milepost has become much slower, by ratios that hold on any machine: 3 minutes
	@$(PY) -m benchmarks.check

audit: $(VENV)/.dev ## Ask whether what Milepost is made of is known to be vulnerable
	@$(PY) -m supply.audit

sbom: $(VENV)/.dev ## Write what Milepost is made of to dist/: a bill of materials (CycloneDX), and the licences
	@$(PY) -m supply.bill

lint: $(VENV)/.dev ## Ruff, mypy and the borders between the packages
	@status=0; \
	$(PY) -m ruff check . || status=1; \
	$(PY) -m ruff format --check . || status=1; \
	$(PY) -m mypy || status=1; \
	$(VENV)/bin/lint-imports || status=1; \
	exit $$status

format: $(VENV)/.dev ## Format the code and mend what ruff can mend
	@$(PY) -m ruff check --fix-only --exit-zero .
	@$(PY) -m ruff format .

venv: $(VENV)/.dev ## Make .venv with everything for working on Milepost

compiled: $(VENV)/.dev ## Compile what runs for every event, where there is a C compiler; under a minute, once per change
	@$(PY) compile_core.py

# A browser is a convenience of the machine: without one the browser tests skip, and say so.
chromium: $(VENV)/.dev
	@sh .ci/chromium $(PY) > $(VENV)/.chromium || true

clean: ## Remove .venv and what tools left behind
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	rm -f milepost_core__mypyc.*.so slo_rules/*.so collector/*.so slo_rules/compiled-*.json
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps are made last: what was interrupted is done again.

$(VENV)/.runtime: $(VENV)/.made pyproject.toml constraints.txt
	@echo "Installing Milepost into $(VENV) …"
	@$(PIP) install --constraint constraints.txt --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.made pyproject.toml constraints.txt
	@echo "Installing Milepost and its development tools into $(VENV) …"
	@$(PIP) install --constraint constraints.txt --editable '.[dev]'
	@touch $(VENV)/.runtime $@

$(VENV)/.made:
	@for python in "$(PYTHON)" python3 python3.13 python3.12 python3.11 python3.14; do \
		[ -n "$$python" ] && "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
		"$$python" -m venv $(VENV) && touch $@ && exit 0; \
		echo "$$python cannot make a virtual environment; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; \
	done; \
	echo "Milepost needs Python 3.11 or newer, and none was found (tried python3 and python3.11 to python3.14)." >&2; \
	echo "Install one, or name it: make $(MAKECMDGOALS) PYTHON=/path/to/python3" >&2; exit 1
