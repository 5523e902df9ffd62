"""The networks of the best epoch, by the lowest Fréchet distance that was measured so far."""

import shutil

import numpy as np
import pytest
from faults import KILLED, Calls, call, go_on, result

from chainer_cpu import chainer
from lab.judge.figures import Judge
from lab.runs import checkpoint, files
from lab.runs.files import FolderError
from lab.runs.opened import open_run
from lab.training.run import Run

SETTINGS = ["--data", "digits", "--batch-size", "89", "--z-dim", "4", "--quality-every", "2",
            "--checkpoint-every", "1"]
# {epoch: distance}. Epoch 3 is measured only where it is the last.
DISTANCES = {0: 9, 2: 5, 3: 4, 4: 6, 6: 4.5}

pytestmark = pytest.mark.usefixtures("small_networks")


@pytest.fixture(autouse=True)
def scripted(monkeypatch):
    """Makes every measurement return the distance of its epoch in DISTANCES."""
    measure, of_judge, at = Run.measure, Judge.measure, []

    def run_measures(run):
        at[:] = [run.trainer.epoch]
        measure(run)

    def judge_measures(judge, samples, names=None):
        return of_judge(judge, samples, names) | {"frechet": float(DISTANCES[at[0]])}

    monkeypatch.setattr(Run, "measure", run_measures)
    monkeypatch.setattr(Judge, "measure", judge_measures)


def numbers(network):
    serializer = chainer.serializers.DictionarySerializer()
    serializer.save(network)
    return {key: np.asarray(value) for key, value in serializer.target.items()}


def test_the_networks_with_the_lowest_distance_are_kept_and_those_after_them_are_not(cli, tmp_path):
    cli(*SETTINGS, "--epochs", "2", "--out", "two")
    code, out, _ = cli(*SETTINGS, "--epochs", "4", "--out", "four")
    assert code == 0 and "best epoch     2, distance 5.000, lowest of 3: " in out
    two, four = (open_run(tmp_path / name) for name in ("two", "four"))
    for weights in "trained", "average":
        best = four.networks(weights, "best")
        assert best.epoch == 2
        for network, expected in zip(best[:2], two.networks(weights)[:2], strict=True):
            found = numbers(network)
            assert all(np.array_equal(x, found[key]) for key, x in numbers(expected).items())
    with np.load(tmp_path / "four" / "best-generator.npz") as file:
        assert file["epoch"] == 2


def test_a_last_epoch_that_was_best_is_best_no_longer_when_the_run_goes_on_past_it(cli, tmp_path):
    """A run with more epochs from the start would not measure that epoch."""
    cli(*SETTINGS, "--epochs", "3")
    assert open_run(tmp_path / "result").networks(epoch="best").epoch == 3
    before = result(tmp_path / "result")
    cli("--resume")
    assert result(tmp_path / "result") == before
    cli("--resume", "--epochs", "6")
    cli(*SETTINGS, "--epochs", "6", "--out", "long")
    assert result(tmp_path / "result") == result(tmp_path / "long")
    assert "best-discriminator.npz" in result(tmp_path / "long")


def test_the_best_so_far_is_in_the_checkpoint_when_its_files_are_newer_or_lost(cli, tmp_path):
    """A kill between a measurement and the next checkpoint leaves such files."""
    cli(*SETTINGS, "--epochs", "3", "--out", "long")
    cli(*SETTINGS, "--epochs", "2", "--out", "short")
    long, short = tmp_path / "long", tmp_path / "short"
    for name in "generator", "discriminator":
        shutil.copy(long / f"best-{name}.npz", short)
    (short / "best-generator-average.npz").unlink()
    cli("--resume", "--out", "short")
    assert open_run(short).networks(epoch="best").epoch == 2
    shutil.copy(long / "best-generator.npz", short)
    cli("--resume", "--epochs", "3", "--out", "short")
    assert result(short) == result(long)


@pytest.mark.parametrize("name", [
    pytest.param(name, marks=() if name == files.GENERATOR else pytest.mark.faults)
    for name in files.NETWORKS])
def test_killed_while_the_best_are_written_and_resumed_the_bytes_are_the_same(tmp_path, name):
    """Epoch 2 is best, the checkpoints are of epochs 0 and 4: its networks are trained anew."""
    argv = [*SETTINGS[:-1], "4", "--epochs", "4", "--out"]
    assert call([*argv, tmp_path / "whole"], Calls(record=tmp_path / "calls")) == 0
    calls = (tmp_path / "calls").read_text().splitlines()
    replaced = [n for n, what in enumerate(calls, 1)
                if what.startswith(f"replace {files.BEST}{name}")]
    folder = tmp_path / "killed"
    assert len(replaced) == 2 and call([*argv, folder], Calls(replaced[1])) == KILLED
    assert go_on([*argv, folder], folder) == 0
    assert result(folder) == result(tmp_path / "whole")


def test_a_run_that_measures_nothing_has_no_best_epoch(cli, tmp_path):
    cli(*SETTINGS, "--epochs", "1", "--quality-every", "0")
    assert not list((tmp_path / "result").glob("best-*"))
    with pytest.raises(FolderError, match="no best epoch.*--quality-every.*leave out --epoch best"):
        open_run(tmp_path / "result").networks(epoch="best")


def test_a_checkpoint_from_before_there_was_a_best_epoch_goes_on(cli, tmp_path):
    """Its own epoch, 2, is the best: it has the networks of that."""
    cli(*SETTINGS, "--epochs", "2")
    folder = tmp_path / "result"
    arrays, meta = checkpoint.read(checkpoint.paths(folder)[0])
    checkpoint.write(folder, 2, {name: array for name, array in arrays.items()
                                 if not name.startswith("best/")}, meta)
    assert cli("--resume", "--epochs", "4")[0] == 0
    assert open_run(folder).networks(epoch="best").epoch == 2
