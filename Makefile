# `make run` and `make test` do everything from a clean clone; the other targets build on them.

# Each of the many processes that tests start would compile the whole package anew.
unexport PYTHONDONTWRITEBYTECODE

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

MINUTES ?= 10
# One more than processors: many tests wait for sockets and clocks.
WORKERS ?= $(shell $(PYTHON) -c "import os; print(min(os.cpu_count() or 1, 4) + 1)")

.PHONY: run test fuzz slow browser lint types bench settings architecture strip clean

run: $(VENV)/run.stamp
	$(BIN)/streamlit run app.py

# Threads of matrix products would get in the way of the other workers.
test slow: export OPENBLAS_NUM_THREADS := 1
test slow: export OMP_NUM_THREADS := 1
test: $(VENV)/dev.stamp
	$(BIN)/pytest -n $(WORKERS) --dist worksteal --ignore tests/browser -m "not slow"

# New examples for the property tests; `make test` tries the same ones every time.
fuzz: $(VENV)/dev.stamp
	$(BIN)/python -m benchmarks.fuzz --minutes $(MINUTES)

slow: $(VENV)/dev.stamp
	$(BIN)/pytest -n $(WORKERS) --dist worksteal -m slow

browser: $(VENV)/dev.stamp
	$(BIN)/pytest -m browser

lint: $(VENV)/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/dev.stamp
	$(BIN)/mypy .

bench: $(VENV)/dev.stamp
	$(BIN)/python -m benchmarks

# docs/SETTINGS.md, from the code.
settings: $(VENV)/dev.stamp
	$(BIN)/python -m benchmarks.settings

# The picture of the layers, from the imports as they are; needs Chromium.
architecture: $(VENV)/dev.stamp
	$(BIN)/python -m benchmarks.architecture

strip: $(VENV)/dev.stamp
	$(BIN)/python -m tests.support.strip_states --output docs/pictures/strip.png

$(VENV)/run.stamp: requirements.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet -r requirements.txt
	touch $@

$(VENV)/dev.stamp: requirements/development.txt $(VENV)/run.stamp
	$(BIN)/pip install --quiet -r requirements/development.txt
	touch $@

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
