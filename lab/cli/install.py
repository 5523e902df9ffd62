"""What `pip install .` gets: an error message that says what to type instead."""

import sys


def get_requires_for_build_wheel(_settings=None):
    """The first question pip asks a build backend; this one has no other answers."""
    sys.exit("Nothing to install: in this folder, type `make train`, "
             "or the two lines at the top of requirements.txt.")


get_requires_for_build_editable = get_requires_for_build_wheel
build_wheel = build_editable = get_requires_for_build_wheel  # so that pip asks the question
