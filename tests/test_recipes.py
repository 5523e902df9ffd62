"""Recipe steady, and the average of the generator's weights beside those that it trains."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import TINY
from faults import result

import dcgan
import plot
import quality
from chainer_cpu import chainer
from lab.runs import checkpoint
from lab.runs.files import FolderError
from lab.runs.opened import open_run
from lab.training import options
from plot import sample_grid


def test_steady_is_d_first_with_the_papers_adam_batch_64_and_pictures_of_the_average(steady_run):
    settings = json.loads((steady_run / "settings.json").read_text())
    assert {name: settings[name] for name in options.RECIPES["steady"]} == {
        "alpha": 0.0002, "beta1": 0.5, "order": "discriminator-first", "weights": "average",
        "batch_size": 64, "real_label": 0.9, "blur": 0.0}


@pytest.mark.parametrize("recipe, size, blur", [("steady", 28, 0.0), ("steady", 32, 0.1),
                                                ("steady", 64, 0.1), ("paper", 64, 0.0)])
def test_steady_blurs_in_the_beginning_where_the_networks_are_the_papers(recipe, size, blur):
    assert options.complete({"recipe": recipe, "size": size}, pictures=True)["blur"] == blur


@pytest.mark.parametrize("recipe, alpha, beta1", [("post", 0.001, 0.9), ("paper", 0.0002, 0.5)])
def test_the_other_recipes_are_what_they_were(recipe, alpha, beta1):
    settings = options.complete({"recipe": recipe})
    assert (settings["alpha"], settings["beta1"], settings["batch_size"], settings["order"],
            settings["weights"], settings["real_label"], settings["blur"]) == (
                alpha, beta1, 100, "generator-first", "trained", 1.0, 0.0)


def test_flags_win_over_a_recipe():
    given = {"recipe": "steady", "batch_size": 20, "alpha": 0.5, "beta1": 0}
    assert {**options.complete(given), **given} == options.complete(given)


def test_the_pictures_of_steady_are_of_the_average(steady_run, tmp_path):
    run = open_run(steady_run)
    arrays, _ = checkpoint.read(checkpoint.paths(steady_run)[0])
    for weights in "average", "trained":
        gen, dis, epoch = run.networks(weights)
        images = dcgan.generate(gen, arrays["z"])
        sample_grid(images, dcgan.probability_of_real(dis, images), tmp_path / f"{weights}.png",
                    title=f"epoch {epoch}, {run.caption}")
    shown = (steady_run / "epoch-0002.png").read_bytes()
    assert shown == (tmp_path / "average.png").read_bytes()
    assert shown != (tmp_path / "trained.png").read_bytes()


@pytest.mark.parametrize("unfinished", [False, True])
@pytest.mark.parametrize("weights, file", [("average", "generator-average.npz"),
                                           ("trained", "generator.npz"),
                                           (None, "generator-average.npz")])
def test_a_run_gives_the_weights_that_are_asked_for(steady_run, tmp_path, weights, file,
                                                    unfinished):
    copy = shutil.copytree(steady_run, tmp_path / "run")
    if unfinished:  # its newest checkpoint has the same
        for path in copy.glob("generator*.npz"):
            path.unlink()
    gen, dis, epoch = open_run(copy).networks(weights)
    assert epoch == 2 and dis is not None
    with np.load(steady_run / file) as expected:
        serializer = chainer.serializers.DictionarySerializer()
        serializer.save(gen)
        assert serializer.target.keys() == set(expected.files)
        assert all(np.array_equal(x, expected[key]) for key, x in serializer.target.items())


def test_a_run_from_before_there_was_an_average_says_that_it_has_none(tiny_run, tmp_path):
    copy = shutil.copytree(tiny_run, tmp_path / "run")
    (copy / "generator-average.npz").unlink()
    assert open_run(copy).networks().epoch == 3
    with pytest.raises(FolderError, match="no average.*leave out --weights average"):
        open_run(copy).networks("average")
    (copy / "generator.npz").unlink()
    (path, *_) = checkpoint.paths(copy)
    arrays, meta = checkpoint.read(path)
    arrays = {name: array for name, array in arrays.items() if "average" not in name}
    checkpoint.write(copy, 3, arrays, meta)
    with pytest.raises(FolderError, match="no average"):
        open_run(copy).networks("average")


def test_a_run_from_before_goes_on_and_its_average_begins_there(small_cli, tmp_path):
    small_cli(*TINY, "--epochs", "1")
    folder = tmp_path / "result"
    (path, *_) = checkpoint.paths(folder)
    arrays, meta = checkpoint.read(path)
    begun = arrays["generator/l1/W"]
    for name in "order", "real_label", "blur", "weights":
        del meta["settings"][name]
    checkpoint.write(folder, 1, {name: array for name, array in arrays.items()
                                 if "average" not in name and name != "averaged"}, meta)
    code, _, err = small_cli("--resume", "--epochs", "2")
    assert code == 0 and "error" not in err
    arrays, _ = checkpoint.read(checkpoint.paths(folder)[0])
    assert arrays["averaged"] == 120
    assert not np.array_equal(arrays["generator-average/l1/W"], begun)


def test_a_resumed_steady_run_has_the_same_bytes(cli, steady_run, tmp_path):
    """It ends after its first epoch; tests/test_faults.py kills runs anywhere."""
    cli("--data", "digits", "--recipe", "steady", "--epochs", "1", "--z-dim", "10",
        "--quality-every", "1")
    assert cli("--resume", "--epochs", "2")[0] == 0
    assert result(tmp_path / "result") == result(steady_run)


@pytest.mark.parametrize("command", [["samples", "--n", "2"], ["walk", "--steps", "2"],
                                     ["nearest", "--n", "2"], ["play"]], ids=lambda words: words[0])
def test_commands_draw_with_the_weights_and_the_epoch_asked_for(steady_run, tmp_path, capsys,
                                                                command):
    """Without a flag, they take the weights of the run's own pictures."""
    name, *more = command
    run, found = shutil.copytree(steady_run, tmp_path / "run"), {}
    assert open_run(run).best_epoch() not in (None, 2)
    for flags in ([], ["--weights", "average"], ["--weights", "trained"], ["--epoch", "best"]):
        assert plot.main([name, str(run), *more, *flags]) == 0, capsys.readouterr().err
        found[" ".join(flags)] = Path(capsys.readouterr().out.strip()).read_bytes()
    assert found.pop("") == found["--weights average"]
    assert len(set(found.values())) == 3


def test_the_best_epoch_can_be_measured(steady_run, capsys):
    best = open_run(steady_run).best_epoch()
    assert quality.main([str(steady_run), "--epoch", "best"]) == 0
    with open(steady_run / "quality.csv", newline="") as file:
        expected = next(row for row in csv.DictReader(file) if int(row["epoch"]) == best)
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert next(line for line in lines if line and line[0] == str(best))[1] == (
        f"{float(expected['frechet']):.3f}")
