"""What a command loads before it says its first word: no more than it needs."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SLOW = {"chainer", "matplotlib", "numba", "scipy", "sklearn"}  # a second or more, each
FOR_FIGURES = {"matplotlib", "sklearn"}


def loaded(*arguments):
    """The modules that Python loads when it is called so."""
    done = subprocess.run([sys.executable, "-X", "importtime", *arguments], cwd=ROOT,
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}


@pytest.mark.parametrize("command", [
    ["trainer.py"], ["plot.py"], ["plot.py", "nearest"], ["quality.py"]], ids=" ".join)
def test_help_loads_nothing_slow(command):
    assert not loaded(*command, "--help") & SLOW


@pytest.mark.parametrize("modules", ["lab.training.session", "lab.look, lab.look.play"])
def test_training_and_the_pages_wait_for_scikit_learn_and_matplotlib_only_where_they_use_them(
        modules):
    assert not loaded("-c", f"import {modules}") & FOR_FIGURES


def test_samples_are_drawn_without_scikit_learn_and_matplotlib(tmp_path):
    assert not loaded("plot.py", "samples", "pretrained", "--out",
                      str(tmp_path / "samples.png")) & FOR_FIGURES
