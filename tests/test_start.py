"""Commands answer before they load what is slow, and every terminal can write what they say."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

import plot
import quality
import trainer
from studies import chance

ROOT = Path(__file__).resolve().parents[1]
SLOW = {"chainer", "matplotlib", "numba", "scipy", "sklearn"}  # a second or more, each
FOR_FIGURES = {"matplotlib", "sklearn"}


def loaded(*arguments):
    """Returns the modules that Python loads when it is called with these arguments."""
    done = subprocess.run([sys.executable, "-X", "importtime", *arguments], cwd=ROOT,
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}


@pytest.mark.parametrize("command", [
    ["trainer.py"], ["plot.py"], ["plot.py", "nearest"], ["quality.py"]], ids=" ".join)
def test_help_loads_nothing_slow(command):
    assert not loaded(*command, "--help") & SLOW


def test_the_version_is_known_without_what_is_slow():
    assert not loaded("trainer.py", "--version") & SLOW


@pytest.mark.parametrize("modules", ["lab.training.session", "lab.look, lab.look.play"])
def test_training_and_the_pages_wait_for_scikit_learn_and_matplotlib_only_where_they_use_them(
        modules):
    assert not loaded("-c", f"import {modules}") & FOR_FIGURES


def test_samples_are_drawn_without_scikit_learn_and_matplotlib(tmp_path):
    assert not loaded("plot.py", "samples", "pretrained", "--out",
                      str(tmp_path / "samples.png")) & FOR_FIGURES


# -- terminals of every encoding -------------------------------------------------------------------

@pytest.fixture(params=["cp1252", "cp437", "ascii"])
def terminal(request, monkeypatch):
    """Returns a function that runs a module's main() in a terminal without Japanese.

    terminal(module, *arguments) returns (exit code, what was written).
    """
    def call(module, *arguments):
        streams = [io.TextIOWrapper(io.BytesIO(), encoding=request.param) for _ in range(2)]
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", streams[0])
            patch.setattr(sys, "stderr", streams[1])
            try:
                code = module.main(list(arguments))
            except SystemExit as stop:
                code = stop.code
        for stream in streams:
            stream.flush()
        return code, b"".join(s.buffer.getvalue() for s in streams).decode(request.param)
    return call


@pytest.mark.parametrize("command", [
    (trainer, "--help"), (quality, "--help"), (plot, "--help"), (chance, "--help"),
    *((plot, name, "--help") for name in (
        "samples", "losses", "animate", "strip", "walk", "nearest", "page", "play"))],
    ids=lambda command: " ".join([command[0].__name__, *command[1:]]))
def test_every_help_can_be_written(command, terminal):
    code, words = terminal(*command)
    assert code == 0 and "usage:" in words


@pytest.mark.parametrize("command", [
    (trainer, "--data", "零"), (trainer, "--digit", "零"), (quality, "零"), (plot, "samples", "零"),
    (plot, "strip", "零", "--epochs", "零")], ids=lambda command: command[0].__name__)
def test_every_error_message_can_be_written(command, terminal, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, words = terminal(*command)
    assert code in (1, 2) and ": error: " in words


def test_a_terminal_without_a_locale_gets_the_help_of_modules_run_as_such():
    for module in ("trainer", "benchmarks.benchmark", "studies.course", "studies.spread",
                   "studies.pictures_ours"):
        done = subprocess.run(
            [sys.executable, "-m", module, "--help"], cwd=ROOT, capture_output=True,
            env={**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"})
        assert done.returncode == 0, done.stderr.decode()
        assert done.stdout.isascii()
