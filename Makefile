# make train        set up .venv once, then train: the post's run, or ARGS="--digit 3 --epochs 20"
# make test         set up .venv once, then run the test suite
# make bench        training steps side by side: this project, stock Chainer, PyTorch
# make test-faults  the fault tests at full length: killed at every kind of call, a thousand epochs
#
# PYTHON=python3.12 chooses the Python (3.10 to 3.13). Without make: see the top of requirements.txt.

PYTHON ?= python3
BENCH_PYTHON ?= $(PYTHON)
ARGS ?= --digit 0 --epochs 1000

BIN = .venv/bin
# A stamp for each PYTHON, so that another one is never silently taken for the one asked for.
STAMP = .venv/ready-$(subst /,-,$(PYTHON))

.PHONY: train test test-faults bench setup

train: setup
	$(BIN)/python trainer.py $(ARGS)

test: setup
	$(BIN)/python -m pytest

test-faults: setup
	$(BIN)/python -m pytest -m "faults or not faults" tests/test_faults.py tests/test_checkpoint.py

# PyTorch gets an environment of its own. Some indexes have no CPU build of it for every Python: then
# the benchmark says so and goes without.
bench: setup
	@test -x .venv-bench/bin/python || $(BENCH_PYTHON) -m venv .venv-bench
	@.venv-bench/bin/python -c 'import torch' 2>/dev/null \
	  || .venv-bench/bin/python -m pip install --quiet --only-binary :all: torch==2.13.0 numpy \
	  || echo "PyTorch 2.13.0 cannot be had here: the comparison goes without it."
	@$(BIN)/python benchmarks/benchmark.py \
	  $$(.venv-bench/bin/python -c 'import torch, sys; print("--torch", sys.executable)' 2>/dev/null)

setup: $(STAMP)

$(STAMP): requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit((3, 10) > sys.version_info or sys.version_info >= (3, 14))' \
	  || { echo "make: needs Python 3.10 to 3.13; PYTHON=python3.12 chooses one" >&2; exit 1; }
	@echo "setting up .venv, once: two to five minutes"
	@$(PYTHON) -m venv --clear .venv
	@$(BIN)/python -m pip install --quiet "setuptools<81" wheel
	@$(BIN)/python -m pip install --quiet --no-build-isolation -r requirements.txt
	@touch $@
