"""studies/time_to_picture.py at its smallest size, without PyTorch."""

import csv
import shutil
import sys

import numpy as np
import pytest
from PIL import Image

from lab import networks
from lab.training import options
from studies import pictures_ours
from studies.time_to_picture import main


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    for i, pixels in enumerate(np.random.RandomState(0).randint(0, 256, (70, 32, 32, 3), np.uint8)):
        Image.fromarray(pixels).save(folder / f"{i}.png")
    return folder


def train(folder, pictures, images, *more):
    return main(["train", str(folder), "--data", str(pictures), "--images", str(images),
                 "--turn", "64", *more])


def test_ours_trains_as_a_run_on_pictures_does():
    trainer = pictures_ours.begin(np.zeros((2, 3, 32, 32), np.float32), 0)
    settings = options.complete({"size": 32}, pictures=True)
    assert (trainer.real_label, trainer.blur, trainer.opt_gen.alpha, trainer.opt_dis.beta1) == (
        settings["real_label"], settings["blur"], settings["alpha"], settings["beta1"])
    maps, *_ = networks.TABLE["paper"].maps
    assert trainer.gen.bn1.gamma.size == int(maps)


def figures(folder):
    with open(folder / "figures.csv", newline="") as file:
        return [{**row, "seconds": None} for row in csv.DictReader(file)]


@pytest.fixture(scope="module")
def stopped(pictures, tmp_path_factory):
    """Returns the folder of a study that was ended after one turn."""
    folder = tmp_path_factory.mktemp("studies") / "stopped"
    assert train(folder, pictures, 64) == 0
    return folder


@pytest.mark.faults
def test_a_study_that_was_stopped_goes_on_to_the_same_figures(stopped, pictures, tmp_path):
    folder = shutil.copytree(stopped, tmp_path / "stopped")
    assert train(folder, pictures, 128) == train(tmp_path / "whole", pictures, 128) == 0
    assert figures(folder) == figures(tmp_path / "whole")
    assert [row["images"] for row in figures(folder)] == ["64", "128"]


def test_without_pytorch_an_error_says_which_contender_broke_off(stopped, pictures, capfd):
    assert train(stopped, pictures, 64, "--torch", sys.executable) == 1
    assert "No module named 'torch'" in (error := capfd.readouterr().err)
    assert error.splitlines()[-1] == ("time_to_picture.py: error: a turn broke off (pytorch); "
                                      "see above")
    assert [row["contender"] for row in figures(stopped)] == ["ours"]


def test_another_seed_is_another_study(stopped, pictures, capfd):
    assert train(stopped, pictures, 64, "--seed", "1") == 1
    assert "holds another study" in capfd.readouterr().err


def test_the_table_has_the_first_measurement_that_was_so_near(tmp_path, capsys):
    (tmp_path / "figures.csv").write_text(
        "contender,images,seconds,distance,precision,diversity\n"
        "ours,6000,10.0,0.75,1,0.1\npytorch,6000,20.0,0.95,1,0.1\n"
        "ours,12000,20.0,0.58,1,0.1\npytorch,12000,41.0,0.72,1,0.1\nours,18000,30.0,0.82,1,0.1\n")
    assert main(["tell", str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines()[2:] == [
        f"| {tmp_path.name} | ours | 10 s, 6,000 | 20 s, 12,000 | 20 s, 12,000 | not in 18,000 |",
        f"| {tmp_path.name} | pytorch | 41 s, 12,000 | not in 12,000 | not in 12,000 | "
        "not in 12,000 |"]
