# make train        train: the post's run, or ARGS="--digit 3 --epochs 20"
# make test         run the test suite
# make check        does it work here? An answer within a minute
# make lint         look through the code with ruff and mypy
# make bench        training steps side by side: this project, stock Chainer, PyTorch
# make test-faults  the long tests that make test leaves out: killed at every kind of call, a thousand
#                   epochs, 10,000 random cases, pages in every browser
#
# Each sets up .venv first where that has not been done. PYTHON=python3.12 chooses its Python (3.10 to
# 3.15); with nothing said, what is there is taken. Without make: see the top of requirements.txt.

ARGS ?= --digit 0
BIN = .venv/bin

.PHONY: help train test check lint test-faults bench again

help:
	@sed -n 's/^# \{0,1\}//p; /^$$/q' Makefile

train: .venv/ready
	$(BIN)/python trainer.py $(ARGS)

# In two processes: many tests wait for a browser, or for what they start.
test: .venv/ready-to-test
	$(BIN)/python -m pytest -n 2

# A handful of tests for somebody who only wants to know that it works.
CHECKS = \
  test_functions.py::test_values_and_gradients_are_chainers \
  test_trainer.py::test_initial_weights_are_those_of_2016 \
  test_trainer.py::test_first_gradients_and_three_losses_are_those_of_2016 \
  test_trainer.py::test_state_taken_at_any_iteration_continues_with_the_same_bits \
  test_command_line.py::test_a_run_leaves_pictures_log_settings_and_networks \
  test_command_line.py::test_the_log_holds_the_mean_losses_of_the_loop \
  test_plot.py::test_samples_are_as_many_as_asked_for_in_the_run_or_elsewhere \
  test_pretrained.py::test_it_draws_zeros
check: .venv/ready-to-test
	@echo "Fast functions beside Chainer's own; weights, gradients and losses beside those"
	@echo "of 2016; a run of three epochs, resumed to the same bytes; its pictures; zeros"
	@echo "from pretrained/."
	@echo "Half a minute, and once about half a minute more to compile:"
	@$(BIN)/python -m pytest --quiet $(addprefix tests/,$(CHECKS))
	@echo "It works here. make test asks everything."

lint: .venv/ready-to-test
	$(BIN)/python -m ruff check
	$(BIN)/python -m mypy

test-faults: .venv/ready-to-test
	$(BIN)/python -m pytest -m faults

# PyTorch gets an environment of its own. Some indexes have no CPU build of it for every Python: then
# the benchmark says so and goes without.
BENCH_PYTHON ?= $(BIN)/python
bench: .venv/ready
	@test -x .venv-bench/bin/python || $(BENCH_PYTHON) -m venv .venv-bench
	@.venv-bench/bin/python -c 'import torch' 2>/dev/null \
	  || .venv-bench/bin/python -m pip install --quiet --only-binary :all: torch==2.13.0 numpy \
	  || echo "PyTorch 2.13.0 cannot be had here: the comparison goes without it."
	@$(BIN)/python -m benchmarks.benchmark \
	  $$(.venv-bench/bin/python -c 'import torch' 2>/dev/null && echo --torch .venv-bench/bin/python)

# -- the environment: begun again from nothing if it was broken off, its Python has gone, or PYTHON
# asks for another one

WHICH = -c 'import sys; print(sys.base_prefix, sys.version_info[:3])' 2>/dev/null
HAVE := $(or $(shell $(BIN)/python $(WHICH)),none)
ifneq ($(HAVE),$(if $(PYTHON),$(shell $(PYTHON) $(WHICH)),$(HAVE:none=)))
.venv/ready: again
endif
PYTHON ?= python3

.venv/ready: requirements.txt
	@$(PYTHON) -c '' >/dev/null 2>&1 || { echo "make: error: no such Python (PYTHON, $(PYTHON));" \
	  "install 3.10 to 3.15, or choose one that is there: make train PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c "$$CHECK"
	@rm -f .venv/ready*
	@echo "set-up, 1 of 3: an environment in .venv"
	@$(PYTHON) -m venv --clear .venv
	@echo "set-up, 2 of 3: what builds Chainer, which comes as source"
	@$(call pip,"setuptools<81" wheel)
	@echo "set-up, 3 of 3: Chainer, Numba and the others of requirements.txt: one to five minutes"
	@$(call pip,--no-build-isolation -r requirements.txt)
	@touch $@

.venv/ready-to-test: .venv/ready requirements-dev.txt
	@echo "set-up: what the tests need besides (requirements-dev.txt)"
	@$(call pip,-r requirements-dev.txt)
	@touch $@

define CHECK
import sys
found = '($(PYTHON), %d.%d.%d)' % sys.version_info[:3]
if sys.version_info < (3, 10):
    sys.exit('make: error: needs Python 3.10 to 3.15 ' + found + '; '
             'another is chosen so: make train PYTHON=python3.12')
try:
    import ensurepip, venv
except ImportError:
    sys.exit('make: error: this Python cannot make environments ' + found + '; on Debian and Ubuntu: '
             'apt install python%d.%d-venv' % sys.version_info[:2])
if sys.version_info >= (3, 16):
    sys.stderr.write('make: warning: newer than the Pythons tried, 3.10 to 3.15 ' + found + '\n')
endef
export CHECK

# pip speaks of a network that is not there in twenty lines, none of which says so.
pip = $(BIN)/python -m pip install $(1) >.venv/pip.log 2>&1 || { \
  if grep -q "(from versions: none)" .venv/pip.log; \
  then echo "make: error: no package index to be reached (.venv/pip.log); make again with a network"; \
  else echo "make: error: pip failed (.venv/pip.log): $$(grep -m 1 '^ *[eE][rR][rR][oO][rR]' .venv/pip.log)"; \
  fi >&2; exit 1; }
