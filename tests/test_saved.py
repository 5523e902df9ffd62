"""What a run has left, read back."""

import shutil

import numpy as np
import pytest
from conftest import TINY

from chainer_cpu import chainer
from dcgan import Generator
from lab.look import play
from lab.runs import checkpoint, files, saved
from lab.runs.files import FolderError
from lab.training import run


@pytest.fixture
def copy(tiny_run, tmp_path):
    return shutil.copytree(tiny_run, tmp_path / "run")


def weights(network):
    return np.concatenate([parameter.array.ravel() for parameter in network.params()])


def test_a_finished_run_gives_its_last_networks(copy):
    gen, dis, epoch = saved.load_networks(copy)
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
    gen, dis, epoch = saved.load_networks(folder)
    np.testing.assert_array_equal(weights(gen), weights(saved.load_networks(copy)[0]))
    assert dis is None and epoch == 3


def test_an_unfinished_run_gives_the_networks_of_its_newest_checkpoint(copy):
    (copy / "generator.npz").unlink()
    arrays, meta = checkpoint.read(checkpoint.paths(copy)[0])
    arrays["generator/l1/b"] += 1
    checkpoint.write(copy, 5, arrays, {**meta, "epoch": 5})
    gen, _, epoch = saved.load_networks(copy)
    assert epoch == 5
    np.testing.assert_array_equal(gen.l1.b.array, arrays["generator/l1/b"])


def test_a_finished_run_that_goes_on_has_no_older_generator_to_be_taken_for_its_last(cli, tmp_path,
                                                                                     monkeypatch):
    cli(*TINY, "--epochs", "1")
    monkeypatch.setattr(run.Run, "finish", lambda *_: 1)  # as if killed after the last epoch
    cli("--resume", "--epochs", "2")
    gen, _, epoch = saved.load_networks(tmp_path / "result")
    arrays, meta = checkpoint.read(checkpoint.paths(tmp_path / "result")[0])
    assert epoch == meta["epoch"] == 2
    np.testing.assert_array_equal(gen.l1.W.array, arrays["generator/l1/W"])


def test_a_damaged_checkpoint_is_passed_over_and_left_where_it_is(copy):
    (copy / "generator.npz").unlink()
    arrays, meta = checkpoint.read(checkpoint.paths(copy)[0])
    checkpoint.write(copy, 5, arrays, {**meta, "epoch": 5})
    newest = checkpoint.paths(copy)[0]
    newest.write_bytes(newest.read_bytes()[:1000])
    assert saved.load_networks(copy)[2] == 3
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
        saved.load_networks(copy)


@pytest.mark.parametrize("change", [{"sizes": "huge"}, {"z_dim": "many"}])
def test_settings_that_describe_no_network_are_refused(copy, change):
    files.write_settings(copy, {**files.read_settings(copy), **change})
    with pytest.raises(FolderError, match="settings"):
        saved.load_networks(copy)


@pytest.mark.parametrize("name", ["digit", "data_source", "epochs", "channels", "z_dim"])
def test_settings_that_lack_something_are_named(copy, name):
    settings = files.read_settings(copy)
    del settings[name]
    files.write_settings(copy, settings)
    with pytest.raises(FolderError, match=rf"do not say {name} \(.*settings\.json"):
        play.write(copy)


def test_a_row_that_is_still_being_written_is_left_out(copy):
    with open(copy / "losses.csv", "a") as file:
        file.write("4,1.5,0.2")
    table = saved.read_losses(copy)
    assert table["epoch"].tolist() == [1, 2, 3]


@pytest.mark.parametrize("text, reason", [
    ("", "cannot be read"), ("epoch,loss_gen\n1,2\n", "no column loss_dis"),
    ("epoch,loss_gen\n1,two\n", "two"), ("epoch,loss_gen\n1\n", "too few"),
    ("epoch,loss_gen\n1," + 200_000 * "2" + "\n", "field larger"),
    (",".join(files.LOSS_COLUMNS) + "\n", "no epoch is finished")])
def test_a_log_that_is_none_is_refused_by_name(copy, text, reason):
    (copy / "losses.csv").write_text(text)
    with pytest.raises(FolderError, match=rf"{reason}.*losses\.csv|losses\.csv.*{reason}"):
        saved.read_losses(copy)


def test_pictures_are_found_in_the_order_of_their_epochs(tmp_path):
    for name in "epoch-10000.png", "epoch-0009.png", "epoch-9999.png", "epoch-9.png", "real.png":
        (tmp_path / name).touch()
    assert list(saved.pictures(tmp_path)) == [9, 9999, 10000]
