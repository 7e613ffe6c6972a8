# `make run` and `make test` set everything up themselves; nothing else needs to be called first.
PYTHON ?= python3
HOST ?= 127.0.0.1
PORT ?= 8000
BIN := .venv/bin
# Many tests wait for what takes its time: one process more than there are cores is worth it.
WORKERS = $$(n=$$(nproc); echo $$((n < 4 ? n + 1 : 4)))
# What failed is tried once more, one test after another: on a busy machine some come too late.
AGAIN := $(BIN)/pytest --last-failed --last-failed-no-failures none

# Another project's, in a shell where one worked on that, would lead to its code and its settings.
unexport PYTHONPATH PYTHONHOME DJANGO_SETTINGS_MODULE
# Where the system has another Python since, what was installed for the former is of no use.
PACKAGES := $(shell $(BIN)/python -Ic 'import sysconfig; print(sysconfig.get_path("purelib"))' 2>/dev/null)
$(shell test -d "$(PACKAGES)" || rm -rf .venv)

.PHONY: run test quick lint bench soak install lock format clean

run: install
	@$(BIN)/python manage.py setup
	@$(BIN)/python manage.py collectstatic --noinput --verbosity 0
	@exec $(BIN)/python manage.py serve --host $(HOST) --port $(PORT)

# Compiled tests are kept, or every process compiles all of them again.
test quick: export PYTHONDONTWRITEBYTECODE =
test: .venv/.dev
	@$(BIN)/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder || $(AGAIN)

# What needs no Django, no sockets, no other processes and no speech models.
quick: .venv/.dev
	@$(BIN)/pytest -p no:django -m "not outside" tests/bridge tests/local tests/hearing

lint: .venv/.dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/python manage.py makemigrations --check --dry-run

format: .venv/.dev
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: .venv/.dev
	@$(BIN)/python -m tests.bench
	@$(BIN)/python -m tests.bench.money
	@$(BIN)/python -m tests.bench.writer

# SOAK_MINUTES and SOAK_PEOPLE say for how long, and with how many callers.
soak: .venv/.dev
	@$(BIN)/python -m tests.faults.soak

install: .venv/.run

.venv/.run: requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	  || { echo "NextVoice needs Python 3.11 or newer: apt-get install python3 python3-venv, or make PYTHON=/path/to/python3.11"; exit 1; }
	@test -x $(BIN)/pip || $(PYTHON) -m venv .venv \
	  || { rm -rf .venv; echo "Python's venv module is missing: apt-get install python3-venv"; exit 1; }
	@echo "Installing what NextVoice needs into .venv (once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@touch $@

.venv/.dev: .venv/.run requirements-dev.lock
	@echo "Installing what the tests need into .venv (once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

# Needs uv; writes the lock files from pyproject.toml, for every supported Python and platform.
lock:
	uv pip compile --quiet --universal --generate-hashes --no-header --python-version 3.11 pyproject.toml --extra voice --extra s3 -o requirements.lock
	uv pip compile --quiet --universal --generate-hashes --no-header --python-version 3.11 pyproject.toml --extra voice --extra s3 --group dev -o requirements-dev.lock

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache
