"""The generators that a run keeps after epochs 1, 2, 5, 10 ..., for the page that draws."""

import numpy as np
import pytest
from conftest import TINY, change_settings, settings_of
from faults import KILLED, Calls, call, go_on, result

import dcgan
from lab.look.generated import latent
from lab.runs import files
from lab.runs.opened import open_run
from lab.training.snapshots import MOST, epochs


def kept(folder):
    return sorted(path.name for path in folder.glob(files.SNAPSHOTS))


def test_generators_are_kept_at_epochs_1_2_5_and_so_on_or_at_fewer_where_they_are_larger():
    assert epochs(11) == [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000]
    assert epochs(8) == [1, 3, 10, 30, 100, 300, 1000, 3000]
    assert epochs(3) == [1, 10, 100]
    assert epochs(0) == []


def test_those_of_the_posts_run_are_of_ten_epochs_and_below_25_mb(cli, tmp_path):
    cli("--data", "digits", "--epochs", "1", "--quality-every", "0")
    assert kept(tmp_path / "result") == ["generator-0001.npz"]
    size = (tmp_path / "result" / "generator-0001.npz").stat().st_size
    assert MOST // size == 10 and epochs(10)[-1] == 1000


@pytest.mark.parametrize("recipe", ["post", "steady"])
def test_the_same_z_is_drawn_as_the_run_drew_it_after_that_epoch(small_cli, tmp_path, recipe):
    """Recipe steady draws, and keeps, the average."""
    small_cli(*TINY, "--recipe", recipe, "--epochs", "3", "--out", "three")
    small_cli(*TINY, "--recipe", recipe, "--epochs", "2", "--out", "two")
    three, two = (open_run(tmp_path / name) for name in ("three", "two"))
    assert list(three.snapshots()) == [1, 2]
    z = latent(0, 9, 10)
    images, expected = (dcgan.generate(gen, z) for gen in
                        (three.snapshot(2), two.networks().gen))
    np.testing.assert_allclose(images, expected, atol=0.01 * np.ptp(expected))
    assert np.ptp(dcgan.generate(three.snapshot(1), z) - expected) > 0.1 * np.ptp(expected)


def test_a_run_without_them_has_all_other_files_to_the_byte(small_cli, tmp_path):
    for flag in "--snapshots", "--no-snapshots":
        small_cli(*TINY, flag, "--out", flag.strip("-"))
    kept, without = (result(tmp_path / name) for name in ("snapshots", "no-snapshots"))
    assert {name for name in kept if name not in without} == {"generator-0001.npz",
                                                              "generator-0002.npz"}
    without["settings.json"] = without["settings.json"].replace(b": false", b": true")
    assert without == {name: kept[name] for name in without}


@pytest.mark.usefixtures("small_networks")
def test_killed_while_one_is_written_and_resumed_the_bytes_are_the_same(tmp_path):
    assert call([*TINY, "--out", tmp_path / "whole"], Calls(record=tmp_path / "calls")) == 0
    lines = (tmp_path / "calls").read_text().splitlines()
    folder = tmp_path / "killed"
    place, = (n for n, line in enumerate(lines, 1) if line.startswith("replace generator-0002"))
    assert call([*TINY, "--out", folder], Calls(place)) == KILLED
    assert go_on([*TINY, "--out", folder], folder) == 0
    assert result(folder) == result(tmp_path / "whole")
    assert not list(folder.glob("*.tmp"))


def test_one_of_an_epoch_after_the_checkpoint_goes_when_the_run_goes_on(small_cli, tmp_path):
    """A kill after epoch 2 leaves such a file where the last checkpoint is older."""
    folder = tmp_path / "result"
    small_cli(*TINY, "--epochs", "1")
    written = files.snapshot(folder, 1).read_bytes()
    files.snapshot(folder, 2).write_bytes(written)
    assert small_cli("--resume", "--epochs", "1")[0] == 0
    assert kept(folder) == ["generator-0001.npz"]
    assert files.snapshot(folder, 1).read_bytes() == written


def test_overwrite_takes_those_of_the_run_before(small_cli, tmp_path):
    small_cli(*TINY)
    assert (tmp_path / "result" / "play-0002.js").exists()
    small_cli(*TINY, "--epochs", "1", "--overwrite")
    assert kept(tmp_path / "result") == ["generator-0001.npz"]
    assert not (tmp_path / "result" / "play-0002.js").exists()


def test_a_run_of_an_earlier_version_goes_on_without(small_cli, tmp_path):
    small_cli(*TINY)
    change_settings(tmp_path / "result", snapshots=None)
    assert open_run(tmp_path / "result").settings.snapshots is False
    assert settings_of().snapshots is True


def test_a_damaged_one_is_named(small_cli, tmp_path):
    small_cli(*TINY)
    path = files.snapshot(tmp_path / "result", 2)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(files.FolderError, match=r"generator-0002\.npz"):
        open_run(tmp_path / "result").snapshot(2)
