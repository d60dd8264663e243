# Every verb does its own set-up: a virtual environment in .venv, the dependencies, the kernel.
# PYTHON=python3.12 picks an interpreter, T=... what pytest runs, PAIRS="OLD:NEW ..." what is measured.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
T ?= tests
FUZZ_SECONDS ?= 60
FUZZ_SEED ?= 0
PAIRS ?=
BENCH ?=

.DEFAULT_GOAL := help
.PHONY: help demo loadtest test check lint types bench bench-setup fuzz sanitize format clean

help:
	@echo "make demo    a hub and three clients on this machine, and what travelled"
	@echo "make loadtest  a hub with a thousand clients, beside a bare server and rsync"
	@echo "make test    the whole test suite (T=tests/pyzsync for a part of it)"
	@echo "make check   test, ruff and mypy --strict: what CI runs, with the demo"
	@echo "make bench   ours beside rsync, zsync and others: PAIRS=\"OLD:NEW OLD:NEW\" or PAIRS=DIRECTORY"
	@echo "make bench-setup  install those others"
	@echo "make fuzz    the kernel's variants against each other, FUZZ_SECONDS=60"
	@echo "make sanitize  the kernel's tests under ASan and UBSan"
	@echo "make format  let ruff lay out the code"
	@echo "make clean   remove what the others made"

demo: $(INSTALLED)
	@$(BIN)/pyzsync demo

loadtest: $(INSTALLED)
	@$(BIN)/pyzsync loadtest --clients 1000 --memory --file-size 10MB --pulls 10

test: $(INSTALLED)
	@$(BIN)/pytest -q -n 2 --dist worksteal $(T)

check: test lint types

lint: $(INSTALLED)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(INSTALLED)
	@$(BIN)/mypy

bench: $(INSTALLED)
	@$(BIN)/python -m benchmarks $(PAIRS) $(BENCH)

bench-setup:
	@benchmarks/setup $(PYTHON)

fuzz: $(INSTALLED)
	@$(BIN)/python -m tests.fuzz --seconds $(FUZZ_SECONDS) --seed $(FUZZ_SEED)

sanitize: $(INSTALLED)
	@tests/sanitize $(BIN)/python

format: $(INSTALLED)
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

# The stamp is written last, so that a failed installation is tried again.
$(INSTALLED): pyproject.toml setup.py $(wildcard pyzsync/c/*)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or later is needed, $(PYTHON) is older or missing: make PYTHON=python3.12 ..."; exit 1; } >&2
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		echo "$(PYTHON) -m venv failed: on Debian and Ubuntu, apt install python3-venv"; exit 1; } >&2
	@echo "setting up $(VENV), once" >&2
	@$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[dev]'
	@touch $@

clean:
	rm -rf $(VENV) .peer-venv build dist *.egg-info pyzsync/*.so .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
