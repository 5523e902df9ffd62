"""An opened run reads back what the run has left."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import TINY, change_settings, settings_of

import plot
import quality
from chainer_cpu import chainer
from dcgan import Generator
from lab.cli.version import version
from lab.look import play
from lab.runs import checkpoint, files, opened, settings
from lab.runs.files import FolderError
from lab.runs.opened import OpenedRun, open_run
from lab.training import run

PRETRAINED = Path(__file__).resolve().parents[1] / "pretrained"


@pytest.fixture
def copy(tiny_run, tmp_path):
    return shutil.copytree(tiny_run, tmp_path / "run")


def weights(network):
    return np.concatenate([parameter.array.ravel() for parameter in network.params()])


def test_a_finished_run_gives_its_last_networks(copy):
    gen, dis, epoch = open_run(copy).networks()
    arrays, _ = checkpoint.read(checkpoint.paths(copy)[0])
    assert epoch == 3
    np.testing.assert_array_equal(gen.l1.W.array, arrays["generator/l1/W"])
    np.testing.assert_array_equal(gen.bn4.avg_mean, arrays["generator/bn4/avg_mean"])
    np.testing.assert_array_equal(dis.c1.W.array, arrays["discriminator/c1/W"])


def test_a_published_generator_needs_no_more_than_its_settings(copy, tmp_path):
    folder = tmp_path / "published"
    folder.mkdir()
    for name in "settings.json", "generator.npz":
        shutil.copy(copy / name, folder)
    gen, dis, epoch = open_run(folder).networks()
    np.testing.assert_array_equal(weights(gen), weights(open_run(copy).networks()[0]))
    assert dis is None and epoch == 3


def test_an_unfinished_run_gives_the_networks_of_its_newest_checkpoint(copy):
    (copy / "generator.npz").unlink()
    arrays, meta = checkpoint.read(checkpoint.paths(copy)[0])
    arrays["generator/l1/b"] += 1
    checkpoint.write(copy, 5, arrays, {**meta, "epoch": 5})
    gen, _, epoch = open_run(copy).networks()
    assert epoch == 5
    np.testing.assert_array_equal(gen.l1.b.array, arrays["generator/l1/b"])


def test_a_finished_run_that_goes_on_has_no_older_generator_to_be_taken_for_its_last(
        small_cli, tmp_path, monkeypatch):
    small_cli(*TINY, "--epochs", "1")
    monkeypatch.setattr(run.Run, "finish", lambda *_: 1)  # as if killed after the last epoch
    small_cli("--resume", "--epochs", "2")
    gen, _, epoch = open_run(tmp_path / "result").networks()
    arrays, meta = checkpoint.read(checkpoint.paths(tmp_path / "result")[0])
    assert epoch == meta["epoch"] == 2
    np.testing.assert_array_equal(gen.l1.W.array, arrays["generator/l1/W"])


def test_a_damaged_checkpoint_is_passed_over_and_left_where_it_is(copy):
    (copy / "generator.npz").unlink()
    arrays, meta = checkpoint.read(checkpoint.paths(copy)[0])
    checkpoint.write(copy, 5, arrays, {**meta, "epoch": 5})
    newest = checkpoint.paths(copy)[0]
    newest.write_bytes(newest.read_bytes()[:1000])
    assert open_run(copy).networks()[2] == 3
    assert newest.stat().st_size == 1000


def damage_truncate(path):
    path.write_bytes(path.read_bytes()[:5000])


def damage_other_network(path):
    with open(path, "wb") as file:
        chainer.serializers.save_npz(file, Generator(z_dim=11))


def damage_nan(path):
    with np.load(path) as file:
        arrays = dict(file)
    arrays["l1/W"][0, 0] = np.nan
    np.savez(path, **arrays)


def damage_pickle(path):
    np.savez(path, **{"l1/W": np.array([print], dtype=object)})


@pytest.mark.parametrize("damage, reason", [
    (damage_truncate, "cannot be read"), (damage_other_network, "l1/W"),
    (damage_nan, "l1/W holds NaN"), (damage_pickle, "allow_pickle=False")])
def test_wrong_weights_are_refused_by_name(copy, damage, reason):
    damage(copy / "generator.npz")
    with pytest.raises(FolderError, match=rf"generator\.npz.*{reason}|{reason}.*generator\.npz"):
        open_run(copy).networks()


@pytest.mark.parametrize("change", [{"sizes": "huge"}, {"z_dim": "many"}])
def test_settings_that_describe_no_network_are_refused(copy, change):
    change_settings(copy, **change)
    with pytest.raises(FolderError, match="settings"):
        open_run(copy).networks()


@pytest.mark.parametrize("name", ["digit", "data_source", "epochs", "channels", "z_dim"])
def test_settings_that_lack_something_are_named(copy, name):
    change_settings(copy, **{name: None})
    with pytest.raises(FolderError, match=rf"do not say {name} \(.*settings\.json"):
        play.write(open_run(copy))


def test_settings_with_a_value_of_another_kind_are_named(copy):
    change_settings(copy, digit=[3])
    with pytest.raises(FolderError, match=r"settings\.json, digit is \[3\]"):
        open_run(copy)


@pytest.mark.parametrize("argv", [["nearest"], ["samples"], ["page"], ["play"], ["strip"]])
def test_a_command_reads_the_settings_once(copy, monkeypatch, argv):
    read, times = Path.read_text, []

    def counted(path, *args, **kwargs):
        times.append(path.name)
        return read(path, *args, **kwargs)

    monkeypatch.setattr(Path, "read_text", counted)
    assert plot.main([*argv, str(copy)]) == 0
    assert times.count("settings.json") == 1


def test_quality_reads_the_settings_once(copy, monkeypatch):
    read, times = settings.read_settings, []
    monkeypatch.setattr(opened, "read_settings", lambda folder: times.append(1) or read(folder))
    assert quality.main([str(copy)]) == 0
    assert times == [1]


def test_settings_are_read_as_they_were_written(tmp_path):
    written = settings_of(digit="all", data="八 8×8", real_figures={"frechet": 0.5})
    settings.write_settings(tmp_path, written)
    found = settings.read_settings(tmp_path)
    assert replace(found, environment={}) == written


def test_settings_of_an_earlier_version_are_brought_up_to_date(tmp_path):
    """A run may be older than sizes, processes, versions, recipe steady and some figures."""
    shutil.copy(PRETRAINED / "settings.json", tmp_path)
    later = ("size", "order", "real_label", "blur", "weights", "start_from", "start_epoch",
             "real_figures")
    change_settings(tmp_path, environment={"python": "3.11.7"}, **dict.fromkeys(later))
    found = open_run(tmp_path).settings
    assert (found.size, found.real_figures, found.environment["processes"]) == (28, {}, 1)
    assert found.environment["project"] == "before 1.0.0"
    assert (found.order, found.real_label, found.blur, found.weights) == (
        "generator-first", 1.0, 0.0, "trained")
    assert found.epochs == 40 and found.sizes == "listing" and found.caption.startswith("digit 0")


def test_a_run_says_which_version_of_the_project_made_it(copy):
    _, meta = checkpoint.read(checkpoint.paths(copy)[0])
    assert open_run(copy).settings.environment["project"] == meta["project"] == version()


def test_a_row_that_is_still_being_written_is_left_out(copy):
    with open(copy / "losses.csv", "a") as file:
        file.write("4,1.5,0.2")
    table = open_run(copy).losses()
    assert table["epoch"].tolist() == [1, 2, 3]


@pytest.mark.parametrize("text, reason", [
    ("", "cannot be read"), ("epoch,loss_gen\n1,2\n", "no column loss_dis"),
    ("epoch,loss_gen\n1,two\n", "two"), ("epoch,loss_gen\n1\n", "too few"),
    ("epoch,loss_gen\n1," + 200_000 * "2" + "\n", "field larger"),
    (",".join(files.LOSS_COLUMNS) + "\n", "no epoch is finished")])
def test_a_log_that_is_none_is_refused_by_name(copy, text, reason):
    (copy / "losses.csv").write_text(text)
    with pytest.raises(FolderError, match=rf"{reason}.*losses\.csv|losses\.csv.*{reason}"):
        open_run(copy).losses()


def test_pictures_are_found_in_the_order_of_their_epochs(tmp_path):
    for name in "epoch-10000.png", "epoch-0009.png", "epoch-9999.png", "epoch-9.png", "real.png":
        (tmp_path / name).touch()
    assert list(OpenedRun(tmp_path, None).pictures()) == [9, 9999, 10000]
