PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help zoo wheel compiled-tests install run test quick quick-unit quick-property check integration-tests driving-tests measuring-tests other-tests format lint types bench lock catalogue docs clean packages

help:            ## what can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## ?/\1\t/' | expand -t 12

run: $(VENV)/.run          ## a gateway in front of a simulated Twilio, and a curl line that works
	$(BIN)/gateway demo

install: $(VENV)/.test     ## .venv with everything that running and testing needs

test: install packages $(VENV)/.bench  ## format, lint, types, all tests; installs what it needs
	$(MAKE) check

quick: install             ## unit and property tests but the slow ones: about a minute
	@$(MAKE) --no-print-directory -j2 --output-sync=target quick-unit quick-property
# Two halves of about the same length, one a core. What pytest makes of the test files is kept for the next run.
QUICK := env -u PYTHONDONTWRITEBYTECODE $(BIN)/pytest -m "not slow"
QUICK_BESIDE := $(addprefix tests/unit/,config listener observe upstream)
quick-unit:
	$(QUICK) tests/unit $(addprefix --ignore=,$(QUICK_BESIDE))
quick-property:
	$(QUICK) tests/property $(QUICK_BESIDE)

check: format lint types   ## the same, with what is installed; PYTEST="tests/unit -x" runs only that
ifdef PYTEST
	$(BIN)/pytest $(PYTEST)
else
	@$(BIN)/python -m compileall -q gateway twilio_simulator tests
	@$(MAKE) --no-print-directory -j4 --output-sync=target measuring-tests integration-tests driving-tests compiled-tests other-tests
endif

# Side by side, because these mostly wait: for time-outs, drains, browsers; the longest first. Bytecode is written
# before, for the hundreds of processes that tests start where PYTHONDONTWRITEBYTECODE is set.
integration-tests:
	$(BIN)/pytest tests/integration
# What drives other programs: clients and images, benchmarks and browsers.
driving-tests:
	$(BIN)/pytest tests/clients tests/deploy
measuring-tests:
	$(BIN)/pytest tests/bench tests/browser
other-tests:
	$(BIN)/pytest --ignore=tests/integration --ignore=tests/bench --ignore=tests/browser --ignore=tests/clients --ignore=tests/deploy
# The compiled build, in a copy of the checkout below build/: docs/adr/0014-compiled-wheels.md. What judges the
# sources has nothing else to judge there.
compiled-tests:
	$(BIN)/python -m tests.support.compiled_tree --pytest -m "not sources" tests/unit tests/property tests/raw tests/clients

format:
	$(BIN)/ruff format --check .
lint:
	$(BIN)/ruff check .
types:
	$(BIN)/mypy

bench: install packages $(VENV)/.bench  ## instructions, CPU beside Caddy and Envoy, latency, memory, scrapes, hostile callers (minutes)
	$(BIN)/python -m tests.bench.instructions
	$(BIN)/python -m tests.bench.side_by_side
	$(BIN)/python -m tests.bench.streaming
	$(BIN)/python -m tests.bench.footprint
	$(BIN)/python -m tests.bench.memory
	$(BIN)/python -m tests.bench.unread_answers
	$(BIN)/python -m tests.bench.stalls
	$(BIN)/python -m tests.bench.scrape
	$(BIN)/python -m tests.bench.hostile
	$(BIN)/python -m tests.bench.webhooks

zoo: install packages      ## pinned real clients through the gateway; writes docs/compatibility.md (minutes)
	@sh tests/clients/zoo/packages.sh
	$(BIN)/python -m tests.clients.zoo.run --write

wheel: install             ## dist/: a wheel with compiled hot modules for this machine's processor, and a pure one
	GATEWAY_BUILD=compiled $(BIN)/python -m pip wheel -q --no-deps --no-build-isolation -w dist .
	GATEWAY_BUILD=pure $(BIN)/python -m pip wheel -q --no-deps --no-build-isolation -w dist .

packages:                  ## Debian's packages that some tests drive (as root; else it says what is missing)
	@sh tests/support/packages.sh

lock: install              ## resolve the dependencies anew, with hashes
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	  --upgrade --group build --extra redis pyproject.toml -o deploy/requirements.lock
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	  --upgrade --group dev --all-extras -c deploy/requirements.lock pyproject.toml -o tests/requirements.lock
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	  --group pyproject.toml:compile -c deploy/requirements.lock -c tests/requirements.lock \
	  -o deploy/requirements-compile.lock
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	  --extra aws --extra completion --extra cryptography --extra dns --extra gcp --extra jwt --extra otel --extra redis \
	  -c deploy/requirements.lock -c tests/requirements.lock pyproject.toml -o deploy/requirements-image.lock
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	  --upgrade tests/bench/requirements.in -o tests/bench/requirements.lock

catalogue: install         ## Twilio's routes, from the installed twilio package
	$(BIN)/python -m gateway.twilio.catalogue.generate

alerts:                    ## runbook links (RUNBOOK_URL=https://…); PrometheusRule and dashboard for Kubernetes
	$(PYTHON) deploy/generate.py $(if $(RUNBOOK_URL),--runbook-url "$(RUNBOOK_URL)")

docs: install              ## the reference of the configuration, from the schema
	$(BIN)/gateway schema --markdown > docs/configuration.md
	$(BIN)/gateway schema > config/gateway.schema.json
	$(BIN)/gateway schema --log > docs/log-fields.md

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis tests/clients/node/node_modules

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed; say which: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	  echo "Python's venv module is missing; on Debian: apt-get install python3-venv"; exit 1; }

$(VENV)/.run: deploy/requirements.lock pyproject.toml | $(VENV)/bin/python
	@echo "Installing into $(VENV), which takes a minute the first time."
	$(BIN)/python -m pip install --disable-pip-version-check --require-hashes -r deploy/requirements.lock
	$(BIN)/python -m pip install --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.bench: tests/bench/requirements.lock | $(VENV)/.run
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r tests/bench/requirements.lock
	@touch $@

$(VENV)/.test: tests/requirements.lock $(VENV)/.run
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r tests/requirements.lock
	@touch $@
