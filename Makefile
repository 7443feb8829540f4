# `make` explains; `make run` and `make test` are the two commands.
.DEFAULT_GOAL := help
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
READY := .venv/.ready

.PHONY: help setup home run test test-long test-real faults ablation ui tensorboard lint bench clean lock docs

help: ## explain the commands
	@printf 'plates: retrain a license-plate detector and know which data produced which mAP\n\n'
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20

setup: $(READY) ## make the virtual environment with the locked packages
$(READY): requirements.lock pyproject.toml
	@test -x "$(PYTHON)" || { echo 'error: no Python here. Install Python 3.11: apt-get install python3 python3-venv'; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' || \
		{ echo 'error: Python 3.11 or 3.12 is needed; name one: make setup PYTHON=/path/to/python3.11'; exit 1; }
	@echo 'setting up .venv (once, a few minutes of downloads) ...'
	"$(PYTHON)" -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@echo 'DAGSTER_HOME=$(CURDIR)' > .env
	@$(MAKE) --no-print-directory home
	@$(BIN)/python -m pipelines.offline_plots
	@touch $@

home: # this environment's Dagster commands find this clone's dagster.yaml, which turns their telemetry off
	@$(BIN)/python -c 'import os, pathlib, site; pathlib.Path(site.getsitepackages()[0], "plates_home.pth").write_text( \
		f"import os; os.environ.setdefault(\"DAGSTER_HOME\", {os.getcwd()!r})\n")'

run: export FOLDER := $(value DATA)
run: $(READY) ## run the whole pipeline on a generated sample; DATA=/path/to/CCPD2019 for real photographs
	@$(BIN)/plates run $${FOLDER:+--data "$$FOLDER"}

test: $(READY) ## run the tests, in two processes
	@$(BIN)/pytest -n 2 --dist loadscope --no-loadscope-reorder

test-long: $(READY) ## run the tests of rare cases: the UI in a browser, kills, segmentation, many devices (hours)
	@$(BIN)/pytest -m long

test-real: $(READY) ## train on the real photographs in ../shared and check the scores (about 15 minutes)
	@$(BIN)/pytest tests/real -m real -s

faults: $(READY) ## inject every known fault into small projects and check what plates why says (an hour)
	@$(BIN)/python tests/faults

ablation: $(READY) ## train the default run with each lever, three seeds each, and write docs/ablation.md (hours; resumes)
	@$(BIN)/python benchmarks/ablation.py

ui: $(READY) ## open Dagster's UI at http://127.0.0.1:3000; PORT=3001 for another port
	@$(BIN)/plates ui $(if $(PORT),--port $(PORT))

tensorboard: $(READY) ## watch a training run at http://127.0.0.1:6006 (once: .venv/bin/pip install tensorboard)
	@test -x $(BIN)/tensorboard || { echo 'error: TensorBoard is not installed: $(BIN)/pip install tensorboard'; exit 1; }
	@$(BIN)/tensorboard --logdir .plates/tensorboard

lint: $(READY) ## check formatting, lint and types
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy

bench: $(READY) ## measure speed and memory; tables on the screen, JSON in benchmarks/results
	@for script in $$(ls benchmarks/*.py | grep -v -e '/_' -e trees.py -e against_automl.py -e in_use.py -e ablation.py); do echo "== $$script"; $(BIN)/python "$$script" || exit 1; done

docs: $(READY) ## write dvc.yaml and the generated pages of docs/
	@$(BIN)/python -m plates.settings.page
	@$(BIN)/python -m checks.page
	@$(BIN)/python -m pipelines.dvc_yaml
	@$(BIN)/python -m pipelines.page

lock: ## pin every package with its hashes
	$(BIN)/uv pip compile pyproject.toml --extra dev --generate-hashes --no-emit-index-url --quiet --python-version 3.11 -o requirements.lock

clean: ## remove what runs and tests wrote; the photographs under data.root are not touched
	rm -rf .dagster/* .plates .pytest_cache .mypy_cache .ruff_cache .hypothesis .venv *.egg-info build
	rm -rf data/*.parquet data/*.json data/tfrecords data/sample models/* reports plots metrics
