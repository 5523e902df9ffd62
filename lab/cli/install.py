"""Answers `pip install .` with an error message that says what to type instead."""

import sys


def get_requires_for_build_wheel(_settings=None):
    """Ends pip: this is the first function that it calls."""
    sys.exit("Nothing to install: in this folder, type `make train`, "
             "or the two lines at the top of requirements.txt.")


get_requires_for_build_editable = get_requires_for_build_wheel
build_wheel = build_editable = get_requires_for_build_wheel  # pip requires that they exist
