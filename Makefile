# Every target makes .venv when it is missing; nothing is to be installed by hand but Python 3.11+, make and git.
PYTHON ?= python3
BIN := .venv/bin
ARGS ?=

# What Python compiled is kept, whatever the environment says: each process would else compile all it imports, for seconds.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: install demo serve test lint bench soak audit pins clean

install: .venv/installed

demo: .venv/installed
	$(BIN)/booking-bridge demo $(ARGS)

serve: .venv/installed
	$(BIN)/booking-bridge serve

# Four workers for two cores, since many a test waits for its processes and for PostgreSQL.
test: lint
	$(BIN)/python -m pytest -n 4 --dist worksteal --cov --cov-report= $(ARGS)
	$(BIN)/python -m coverage report --fail-under=85

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: .venv/installed
	$(BIN)/python -m tests.bench $(ARGS)

# ARGS: minutes, two without it.
soak: .venv/installed
	$(BIN)/python -m tests.soak $(ARGS)

# Asks the package index for known weaknesses of the pinned versions (ARGS="-s osv" asks osv.dev), which needs the network, so
# that no build depends on it. What could not be looked up fails, too: no answer is not "nothing known".
audit: .venv-audit/installed
	.venv-audit/bin/pip-audit --strict --no-deps --disable-pip --progress-spinner off -r requirements.txt $(ARGS)

.venv-audit/installed:
	$(PYTHON) -m venv .venv-audit
	.venv-audit/bin/python -m pip install --quiet --disable-pip-version-check 'pip-audit>=2.10,<3'
	touch $@

# The exact versions come from requirements.txt, so that pip has nothing to resolve; its check tells what is missing there. The
# project itself is linked in, not copied. Python compiles what it imports; compiling all that could be takes longer.
.venv/installed: requirements.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed: make PYTHON=python3.12 …")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --no-deps -r requirements.txt -e .
	$(BIN)/python -m pip check
	touch $@

# Writes requirements.txt anew from the ranges in pyproject.toml.
pins:
	rm -rf .venv-pins && $(PYTHON) -m venv .venv-pins
	.venv-pins/bin/python -m pip install --quiet -e '.[dev]'
	{ echo '# Exact versions, for a repeatable installation; written by `make pins`.'; \
	  .venv-pins/bin/python -m pip freeze --exclude-editable --exclude pip --exclude setuptools; } > requirements.txt
	rm -rf .venv-pins

clean:
	rm -rf .venv .venv-audit .venv-pins .coverage* .mypy_cache .pytest_cache .ruff_cache .hypothesis
