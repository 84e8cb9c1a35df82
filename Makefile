# desktop-logger. Two commands matter: `make demo` and `make test`. Everything lands in .venv/.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SETUP := tests/setup.sh
SOAK_MINUTES ?= 20
WORKERS ?= 3
SOAK_PART ?= 1

.DEFAULT_GOAL := help
.PHONY: help install demo test bench soak lint fleet leakage learn windows worth
.NOTPARALLEL:

help: ## say what each target does
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1	\2/p' $(MAKEFILE_LIST) | expand -t 18

install: ## put the program and its tools into .venv/ (quick when nothing changed)
	@sh $(SETUP) venv "$(PYTHON)" "$(VENV)"

demo: install ## the whole story in about a minute, on a display of its own
	@sh $(SETUP) packages demo
	@$(BIN)/desktop-logger demo

lint: install ## ruff, mypy --strict and the layers of the house
	@$(BIN)/ruff check src tests
	@$(BIN)/ruff format --check src tests
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo --cache-dir .cache/import_linter

test: install ## everything that must hold, in under ten minutes on two cores
	@sh $(SETUP) packages test
	@sh $(SETUP) guest & $(MAKE_COMMAND) --no-print-directory lint; linted=$$?; wait; exit $$linted
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

bench: install ## tables of cost and size, beside the usual script, from one run
	@sh $(SETUP) packages demo
	@$(BIN)/python -m tests.benchmarks

soak: install ## record for SOAK_MINUTES (20) and look for growth and loss; then a million pairs of inputs
	@sh $(SETUP) packages soak
	@$(BIN)/python -c 'import atheris' 2>/dev/null || $(BIN)/python -m pip install -q atheris || echo "atheris: not installed"
	@$(BIN)/python -m tests.benchmarks.soak $(SOAK_MINUTES)
	@$(BIN)/python -m tests.soak.flood
	@$(BIN)/python -m tests.soak.storage $(SOAK_PART)
	@$(BIN)/python -m tests.soak.halted
	@$(BIN)/python -m tests.accounting
	@$(BIN)/python -m pytest tests/desktop/test_matrix.py tests/soak/conformance.py tests/soak/input_methods.py
	@$(BIN)/python -m tests.machine 8 25
	@$(BIN)/python -m tests.soak.window
	@$(BIN)/python -m tests.noninterference 1000000
	@$(BIN)/python -m tests.processes 50
	@$(BIN)/python -m tests.soak.consent 1000 10000

fleet: install ## ten thousand bundles, an erasure out of a thousand, a Ray worker killed at work, other readers
	@$(BIN)/python -c 'import ray, obstore, moto, datasets, duckdb, polars' 2>/dev/null || $(BIN)/python -m pip install -q --group fleet -e '.[fleet,obstore]'
	@$(BIN)/python -W ignore -m tests.soak.organisation
	@$(BIN)/python -m pytest tests/unit/test_readers.py tests/unit/test_object_storage.py tests/unit/test_dataset.py tests/unit/test_fleet.py

windows: install ## what there is for Windows, on CPython for Windows under Wine (1 GB the first time)
	@sh $(SETUP) windows $(VENV)
	@$(BIN)/mypy --platform win32 --follow-imports silent --cache-dir .cache/mypy_windows src/desktop_logger/control/pipe.py src/desktop_logger/control/serving.py src/desktop_logger/focus/fields.py tests/windows
	@$(BIN)/python -m pytest tests/windows

leakage: install ## measure what the profiles still tell, and hold it to the budget (DATA=folder: your volunteers')
	@sh $(SETUP) leakage $(VENV)
	@$(BIN)/python -m desktop_logger.leakage $(if $(DATA),--data "$(DATA)",--write)

learn: install ## test the models that need PyTorch (the CPU build) and scikit-learn
	@sh $(SETUP) learn $(VENV)
	@$(BIN)/python -m pytest tests/unit/test_learn.py tests/unit/test_networks.py tests/unit/test_worth.py tests/unit/test_office_worth.py tests/unit/test_feedback.py

worth: learn ## what each profile is worth beside what it tells, into docs/explanation/worth.md
	@sh $(SETUP) leakage $(VENV)
	@$(BIN)/python -m desktop_logger.leakage.worth --write
