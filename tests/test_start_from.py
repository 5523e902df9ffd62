"""A new run whose networks begin as another run's, and a run that is ended early."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import TINY
from faults import result
from PIL import Image

from lab.runs import checkpoint
from lab.runs.opened import open_run

HOME = Path(__file__).resolve().parents[1]
NEW = ["--data", "digits", "--epochs", "1", "--batch-size", "89", "--quality-every", "0"]


def first(folder):
    """Returns the arrays of a run's checkpoint from before its first iteration."""
    return checkpoint.read(folder / "checkpoint-0000.npz")[0]


def test_all_networks_begin_as_another_runs_with_adams_of_their_own(cli, steady_run, tmp_path):
    code, out, _ = cli(*NEW, "--recipe", "paper", "--seed", "7", "--start-from", str(steady_run))
    assert code == 0 and f"starts from    {steady_run}, epoch 2" in out
    begun, last = first(tmp_path / "result"), checkpoint.read(checkpoint.paths(steady_run)[0])[0]
    networks = {key for key in last if key.startswith(("generator", "discriminator"))}
    assert all(np.array_equal(begun[key], last[key]) for key in networks)
    assert not any(begun[key].any() for key in begun if key.startswith("adam"))
    assert begun["averaged"] == begun["epoch"] == 0
    settings = json.loads((tmp_path / "result" / "settings.json").read_text())
    assert (settings["start_from"], settings["start_epoch"]) == (str(steady_run), 2)
    assert settings["z_dim"] == 10 and settings["recipe"] == "paper"


def test_the_best_epoch_of_another_run_can_be_begun_with(cli, steady_run, tmp_path):
    best = open_run(steady_run).networks("trained", "best")
    cli(*NEW, "--start-from", str(steady_run), "--epoch", "best", "--out", "new")
    np.testing.assert_array_equal(first(tmp_path / "new")["generator/l1/W"],
                                  best.gen.l1.W.array)
    assert open_run(tmp_path / "new").settings.start_epoch == best.epoch


def test_a_run_can_start_from_the_one_that_it_replaces(cli, steady_run, tmp_path):
    shutil.copytree(steady_run, tmp_path / "result")
    code, _, err = cli(*NEW, "--start-from", "result", "--overwrite")
    assert code == 0, err
    np.testing.assert_array_equal(first(tmp_path / "result")["generator/l1/W"],
                                  open_run(steady_run).networks("trained").gen.l1.W.array)


def test_a_published_generator_is_begun_with_in_all_sizes_that_it_has(cli, tmp_path):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    random = np.random.default_rng(0)
    for i in range(8):
        Image.fromarray(random.integers(0, 256, (32, 32, 3), np.uint8)).save(pictures / f"{i}.png")
    published = "pretrained/characters"
    code, out, err = cli("--data", str(pictures), "--epochs", "1", "--batch-size", "4",
                         "--quality-every", "0", "--start-from", str(HOME / published))
    assert code == 0, err
    source, begun = open_run(HOME / published), first(tmp_path / "result")
    np.testing.assert_array_equal(begun["generator-average/l1/W"], source.networks().gen.l1.W.array)
    assert open_run(tmp_path / "result").settings.size == source.settings.size


@pytest.mark.parametrize("flags, words", [
    (["--z-dim", "9"], "another length of z .*, 10; the new run 9"),
    (["--maps", "comment"], "other maps .*, listing; the new run comment"),
])
def test_networks_that_differ_are_named_with_both_numbers(cli, steady_run, tmp_path, flags, words):
    code, _, err = cli(*NEW, *flags, "--start-from", str(steady_run))
    assert code == 2 and err.count("\n") == 1 and re.search(words, err), err
    assert not (tmp_path / "result").exists()


def test_another_size_is_named_with_both_numbers(cli, tmp_path):
    code, _, err = cli(*NEW, "--start-from", str(HOME / "pretrained" / "characters"))
    assert code == 2 and err.count("\n") == 1
    assert "another size (--start-from" in err and "64; the new run 28" in err
    assert not (tmp_path / "result").exists()


def test_grey_networks_do_not_begin_with_colour_pictures(cli, steady_run, tmp_path):
    (tmp_path / "pictures").mkdir()
    for number in range(4):
        Image.new("RGB", (28, 28), (60 * number, 90, 200)).save(
            tmp_path / "pictures" / f"{number}.png")
    code, _, err = cli("--data", "pictures", "--epochs", "1", "--start-from", str(steady_run))
    assert code == 2 and err.count("error: ") == 1
    assert "draw in grey" in err and "these images are in colour" in err
    assert not (tmp_path / "result").exists()


@pytest.mark.parametrize("flags, words", [
    (["--start-from", "nowhere"], "no run in this folder (nowhere"),
    (["--epoch", "best"], "of which run? name it with --start-from"),
])
def test_a_start_that_is_not_there_is_one_message(cli, tmp_path, flags, words):
    code, _, err = cli(*NEW, *flags)
    assert code in (1, 2) and err.count("\n") == 1 and words in err
    assert not (tmp_path / "result").exists()


# -- ending early --------------------------------------------------------------------------------

def test_fewer_epochs_than_planned_end_a_run_as_if_it_had_been_planned_so(small_cli, tmp_path):
    measured = [*TINY, "--picture-every", "2", "--quality-every", "2", "--checkpoint-every", "1"]
    small_cli(*measured, "--epochs", "3", "--out", "planned")
    small_cli(*measured, "--epochs", "4", "--out", "ended")
    for name in "checkpoint-0004.npz", "generator.npz", "discriminator.npz":  # stopped after 3
        (tmp_path / "ended" / name).unlink()
    code, out, err = small_cli("--resume", "--epochs", "3", "--out", "ended")
    assert code == 0 and "done" in out and "networks" in out, err
    assert result(tmp_path / "ended") == result(tmp_path / "planned")


def test_fewer_epochs_than_done_are_refused(cli, steady_run, tmp_path):
    folder = shutil.copytree(steady_run, tmp_path / "run")
    code, _, err = cli("--resume", "--epochs", "1", "--out", str(folder))
    assert code == 2 and "--epochs 2 ends it there" in err and err.count("\n") == 1
    assert result(folder) == result(steady_run)
