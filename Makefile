# The two commands of the README are `make demo` and `make test`; both install what they need.
.DEFAULT_GOAL := help
.PHONY: help setup demo test lint bench soak map lock clean

BIN := .venv/bin
export DO_NOT_TRACK := 1

help:  ## list these targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/' | expand -t 10

setup: .venv/installed  ## install everything into .venv; harmless to repeat

.venv/installed: requirements.lock pyproject.toml
	@.ci/setup

demo: setup  ## the whole pipeline on a simulated company, with the truth beside each model
	@$(BIN)/bizops demo

test: setup  ## all tests, on a real Kafka and PostgreSQL of their own
	@$(BIN)/pytest

lint: setup  ## ruff and mypy
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

bench: setup  ## stream and model beside their peers, and how all scales; takes hours
	@$(BIN)/python -m benchmarks.compare
	@$(BIN)/python -m benchmarks.rivals
	@$(BIN)/python -m benchmarks.scale
	@$(BIN)/python -m benchmarks.warehouse
	@$(BIN)/python -m benchmarks.truth
	@$(BIN)/python -m benchmarks.placebo
	@$(BIN)/python -m benchmarks.calibration

soak: setup  ## the long form of the fault tests: 200 faults over 5 million events
	@BIZOPS_SOAK_SEED=$${BIZOPS_SOAK_SEED:-$$(date +%s)} \
		BIZOPS_SOAK_FAULTS=$${BIZOPS_SOAK_FAULTS:-208} \
		BIZOPS_SOAK_EVENTS=$${BIZOPS_SOAK_EVENTS:-5000000} \
		BIZOPS_SOAK_AWAY=$${BIZOPS_SOAK_AWAY:-600} \
		BIZOPS_SOAK_REPORT=$${BIZOPS_SOAK_REPORT:-soak-report.json} \
		$(BIN)/pytest -s --timeout 14400 tests/faults

map: setup  ## write anew what is made of code: module map, commands, metrics
	@$(BIN)/python docs/module_map.py
	@$(BIN)/python docs/command_page.py
	@$(BIN)/python docs/metric_page.py

lock: setup  ## compile requirements.lock anew from pyproject.toml
	@$(BIN)/uv pip compile pyproject.toml --group dev --universal --python-version 3.12 \
		--generate-hashes --no-emit-index-url --no-header --quiet --output-file requirements.lock

clean:  ## stop local services and remove what was installed; the data in .bizops stays
	@test ! -x $(BIN)/bizops || $(BIN)/bizops down
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis
