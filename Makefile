# make train        set up .venv once, then train: the post's run, or ARGS="--digit 3 --epochs 20"
# make test         set up .venv once, then run the test suite
# make test-faults  the fault tests at full length: killed at every kind of call, a thousand epochs
#
# PYTHON=python3.12 chooses the Python (3.10 to 3.13). Without make: see the top of requirements.txt.

PYTHON ?= python3
ARGS ?= --digit 0 --epochs 1000

BIN = .venv/bin
# A stamp for each PYTHON, so that another one is never silently taken for the one asked for.
STAMP = .venv/ready-$(subst /,-,$(PYTHON))

.PHONY: train test test-faults setup

train: setup
	$(BIN)/python trainer.py $(ARGS)

test: setup
	$(BIN)/python -m pytest

test-faults: setup
	$(BIN)/python -m pytest -m "faults or not faults" tests/test_faults.py tests/test_checkpoint.py

setup: $(STAMP)

$(STAMP): requirements.txt
	$(PYTHON) -c 'import sys; assert (3, 10) <= sys.version_info < (3, 14), "needs Python 3.10 to 3.13, PYTHON=... chooses one"'
	$(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet "setuptools<81" wheel
	$(BIN)/python -m pip install --quiet --no-build-isolation -r requirements.txt
	touch $@
