"""Runs on pictures of one's own: colour and other sizes, in everything that a run has."""

import csv
import json
import os
import re
import shlex
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from faults import result
from PIL import Image

import dcgan
import plot
import quality
import trainer
from lab import networks
from lab.images import source
from lab.images.dataset import Images
from lab.images.errors import DataWarning
from lab.look import film
from lab.look.generated import nearest_of
from lab.look.tiles import on_scale, to_pixels
from lab.runs.opened import open_run

ROOT = Path(__file__).resolve().parents[1]
TRAIN = ("--epochs", "2", "--batch-size", "20", "--z-dim", "8", "--quality-every", "1")
SIZES = (28, 32, 48)

pytestmark = pytest.mark.usefixtures("small_networks")


def suns(folder, number=48, grey=False):
    """Writes pictures of different shapes: a red disc on blue or, if grey, black on white."""
    random = np.random.RandomState(0)
    folder.mkdir()
    y, x = np.mgrid[:60, :90]
    for i in range(number):
        row, column, radius = random.randint(15, 45), random.randint(30, 60), random.randint(6, 20)
        disc = (y - row) ** 2 + (x - column) ** 2 < radius**2
        picture = np.where(disc[..., None], (200, 40, 30), (60, 90, 220)).astype(np.uint8)
        if grey:
            picture = np.repeat(np.where(disc, 0, 255).astype(np.uint8)[..., None], 3, axis=2)
        Image.fromarray(picture[:, :90 - i % 3 * 20]).save(folder / f"{i:02d}.png")
    return folder


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return suns(tmp_path_factory.mktemp("data") / "my pictures")


@pytest.fixture(scope="module")
def runs(small_networks, pictures, tmp_path_factory):
    """Returns {size: the folder of a finished run}."""
    folder = tmp_path_factory.mktemp("runs")
    for size in SIZES:
        flags = ("--size", str(size)) if size != 28 else ()  # 28 is the default
        assert trainer.main(["--data", str(pictures), *flags, *TRAIN,
                             "--out", str(folder / f"{size}")]) == 0
    return {size: folder / f"{size}" for size in SIZES}


@pytest.fixture
def command(capsys):
    """Returns a function: command(plot, "walk", folder) runs plot.py walk FOLDER.

    It returns (exit code, stdout, stderr).
    """
    def call(program, *argv):
        capsys.readouterr()
        code = program.main([str(part) for part in argv])
        return code, *capsys.readouterr()

    return call


def settings_of(run):
    return json.loads((run / "settings.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("size", SIZES)
def test_a_folder_of_pictures_trains_at_the_first_try(runs, pictures, size):
    settings = settings_of(runs[size])
    expected = {"size": size, "channels": 3, "images": 48, "digit": None, "recipe": "steady",
                "alpha": 0.0002, "beta1": 0.5, "data_source": "my pictures", "data": str(pictures)}
    assert {name: settings[name] for name in expected} == expected
    gen, dis, epoch = open_run(runs[size]).networks()
    images = dcgan.generate(gen, np.zeros((2, 8), np.float32))
    assert epoch == 2 and images.shape == (2, 3, size, size)


@pytest.mark.parametrize("size", SIZES)
def test_every_picture_of_the_run_is_in_colour(runs, size):
    for name in "real.png", "epoch-0000.png", "epoch-0001.png", "epoch-0002.png":
        with Image.open(runs[size] / name) as picture:
            assert picture.mode == "RGB" and min(picture.size) > 300
            colours = np.ptp(np.asarray(picture).astype(int), axis=2).max()
        # The paper's networks begin with a very even grey.
        assert colours > 30 or size > 28 and name.startswith("epoch"), name


@pytest.mark.parametrize("size", (32, 48))
def test_real_pictures_of_the_paper_s_networks_are_shown_as_they_are(runs, size):
    with Image.open(runs[size] / "real.png") as picture:
        colors = {color for _, color in picture.getcolors(1 << 24)}
    assert {(200, 40, 30), (60, 90, 220)} <= colors


@pytest.mark.parametrize("name, flags", (
    ("samples", ("--n", "4", "--sort-by-real")), ("losses", ()), ("strip", ()), ("animate", ()),
    ("walk", ("--steps", "3")), ("nearest", ("--n", "3"))))
@pytest.mark.parametrize("size", SIZES)
def test_every_command_draws_a_run_in_colour(runs, command, tmp_path, size, name, flags):
    suffix = ".gif" if name == "animate" else ".png"
    code, out, err = command(plot, name, runs[size], *flags, "--out", tmp_path / f"a{suffix}")
    assert code == 0 and not err.startswith("plot.py: "), err
    with Image.open(tmp_path / f"a{suffix}") as picture:
        assert picture.mode == {"losses": "RGBA", "animate": "P"}.get(name, "RGB")
        assert getattr(picture, "n_frames", 1) == (3 if name == "animate" else 1)
        colours = np.ptp(np.asarray(picture.convert("RGB")).astype(int), axis=2).max()
    assert colours > 30 or size > 28 and name != "nearest"


def test_an_animation_in_colour_keeps_below_its_limit_with_fewer_pictures(
        runs, command, tmp_path, monkeypatch):
    run = shutil.copytree(runs[28], tmp_path / "run")
    for epoch in range(12):
        noise = np.random.RandomState(epoch).normal(size=(9, 3, 28, 28))
        plot.sample_grid(noise, None, run / f"epoch-{epoch:04d}.png")
    monkeypatch.setattr(film, "MOST_BYTES", 400_000)
    assert command(plot, "animate", run)[0] == 0
    assert 200_000 < (run / "animation.gif").stat().st_size <= 400_000


@pytest.mark.parametrize("size", SIZES)
def test_single_samples_have_the_size_and_the_colours_of_the_images(runs, command, tmp_path, size):
    assert command(plot, "singles", runs[size], "--n", "2", "--out", tmp_path / "s")[0] == 0
    gen, _, _ = open_run(runs[size]).networks()
    z = np.random.RandomState(0).uniform(-1, 1, (2, 8)).astype(np.float32)
    display_range = networks.display_range(open_run(runs[size]).settings)
    expected = to_pixels(dcgan.generate(gen, z), display_range)
    for i, path in enumerate(sorted((tmp_path / "s").iterdir())):
        with Image.open(path) as picture:
            assert picture.size == (size, size)
            np.testing.assert_array_equal(np.asarray(picture), expected[i])


@pytest.mark.parametrize("size", SIZES)
def test_figures_have_no_digits(runs, command, size):
    code, out, _ = command(quality, runs[size])
    assert code == 0 and "digit" not in out
    lines = out.splitlines()
    assert lines[0].split() == ["epoch", "frechet", "precision", "recall", "diversity", "nearest"]
    assert [line.split()[0] for line in lines[1:5]] == ["real", "0", "1", "2"]
    with open(runs[size] / "quality.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["0", "1", "2"] and "digit_share" not in rows[0]
    assert all(np.isfinite(float(value)) for row in rows for value in row.values())


@pytest.mark.parametrize("size", (28, 32))
def test_a_run_that_was_stopped_goes_on_to_the_same_bytes(runs, pictures, cli, tmp_path, size):
    assert cli("--data", str(pictures), "--size", str(size), *TRAIN, "--epochs", "1")[0] == 0
    assert cli("--resume", "--epochs", "2")[0] == 0
    assert result(tmp_path / "result") == result(runs[size])


def test_pictures_that_have_changed_are_refused_on_resume(cli, tmp_path):
    folder = suns(tmp_path / "p")
    assert cli("--data", "p", "--size", "32", *TRAIN)[0] == 0
    before = result(tmp_path / "result")
    shutil.move(folder, tmp_path / "q")  # elsewhere, but the same
    assert cli("--resume", "--data", "q")[0] == 0
    assert result(tmp_path / "result").keys() == before.keys()
    with Image.open(tmp_path / "q" / "07.png") as picture:
        other = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    other.save(tmp_path / "q" / "07.png")
    code, _, err = cli("--resume", "--data", "q", "--epochs", "3")
    assert code == 2 and "the images are not those of the run" in err
    (tmp_path / "q" / "07.png").unlink()
    code, _, err = cli("--resume", "--data", "q", "--epochs", "3")
    assert code == 2 and "these are 47 of q" in err


def test_grey_pictures_train_in_grey(cli, tmp_path):
    suns(tmp_path / "p", grey=True)
    code, out, _ = cli("--data", "p", "--size", "32", *TRAIN)
    assert code == 0 and "48 of p, 32x32 in grey" in out
    assert settings_of(tmp_path / "result")["channels"] == 1
    with Image.open(tmp_path / "result" / "epoch-0002.png") as picture:
        assert picture.mode == "L"


def test_fewer_pictures_than_the_default_batch_are_one_batch_and_it_says_so(cli, tmp_path):
    suns(tmp_path / "p", number=9)
    code, out, err = cli("--data", "p", "--epochs", "1", "--quality-every", "0")
    assert code == 0 and "there are only 9 images: the batch is all of them" in out
    assert "1 per epoch, batch 9" in out


@pytest.mark.parametrize("flags, told", (
    (("--data", "p", "--digit", "3"), "--digit, 3.*sub-folder"),
    (("--data", "digits", "--size", "64"), "MNIST is 28x28 \\(--size, 64\\)"),
    (("--data", "p", "--size", "64", "--maps", "comment"),
     "64x64 have other maps \\(--maps, comment\\); choose 256 or 512, or leave it out"),
    (("--data", "p", "--size", "64", "--sizes", "comment"), "--maps, comment"),
    (("--data", "p", "--maps", "512"), "28x28 have other maps.*choose listing or comment"),
    (("--data", "p", "--size", "40"), "--size.*'40' is not 28, 32, 48, 64, 80, 96, 112 or 128"),
    (("--data", "p", "--size", "144"), "--size.*'144'"),
    (("--data", "p", "--size", "64.0"), "--size.*'64.0'"),
    (("--data", "nowhere", "--size", "64"), "no such folder \\(--data, nowhere\\)"),
    (("--data", "p/00.png"), "not a folder \\(--data, p/00.png\\)"),
    (("--data", "empty"), "no pictures and no IDX files"),
    (("--data", "p", "--batch-size", "49"), "--batch-size, 49"),
))
def test_what_means_nothing_with_pictures_is_one_line_and_creates_nothing(
        cli, tmp_path, flags, told):
    suns(tmp_path / "p")
    (tmp_path / "empty").mkdir()
    code, out, err = cli(*flags)
    assert code == 2 and err.count("\n") == 1 and re.search(told, err), err
    assert not (tmp_path / "result").exists()


@pytest.mark.parametrize("number, told", ((0, "no picture in"), (1, "only one picture in")))
def test_too_few_sound_pictures_fail_and_create_nothing(cli, tmp_path, number, told):
    suns(tmp_path / "p", number)
    for i in range(3):
        (tmp_path / "p" / f"x{i}.jpg").write_text("no picture")
    code, _, err = cli("--data", "p")
    assert code == 1 and err.count("\n") == 1 and told in err and "x0.jpg" in err
    assert not (tmp_path / "result").exists()


def test_broken_pictures_are_one_warning_and_the_others_train(cli, tmp_path):
    suns(tmp_path / "p")
    for i in range(3):
        (tmp_path / "p" / f"x{i}.jpg").write_text("no picture")
    code, out, err = cli("--data", "p", *TRAIN)
    assert code == 0 and "48 of p" in out
    assert err.count("warning") == 1
    assert ("trainer.py: warning: 3 of 51 pictures are left out (--data, p): 3 cannot be read (the "
            "first: x0.jpg, not a picture inside; mend or remove them)") in err


@pytest.mark.parametrize("where", (".", "docs", "docs/pictures", "pretrained/characters"))
def test_the_project_s_own_pictures_are_no_data(cli, tmp_path, where):
    (tmp_path / "link").symlink_to(ROOT / where)
    for data in ROOT / where, "link":
        code, _, err = cli("--data", str(data))
        assert code == 2 and err.count("\n") == 1 and "the project's own (--data, " in err
    assert not (tmp_path / "result").exists()


@pytest.mark.parametrize("suffix, kind", ((".zip", "zip"), (".tar.gz", "gztar")))
def test_an_archive_is_refused_with_the_command_that_unpacks_it(cli, tmp_path, suffix, kind):
    shutil.make_archive(tmp_path / "my photos", kind, suns(tmp_path / "p", number=3))
    code, _, err = cli("--data", f"my photos{suffix}")
    assert code == 2 and err.count("\n") == 1 and not (tmp_path / "result").exists()
    _, command, data = re.search("(unpack it with) (.*) and give --data (.*)\n", err).groups()
    python, *arguments = shlex.split(command)
    assert python == "python"
    subprocess.run([sys.executable, *arguments], cwd=tmp_path, check=True)
    assert len(source.load(shlex.split(data)[0], 28)) == 3


def test_the_tilde_is_home(cli, tmp_path, monkeypatch):
    """A shell leaves the tilde in --data=~/p."""
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "me"))
    (tmp_path / "me").mkdir()
    suns(tmp_path / "me" / "p", number=3)
    assert cli("--data=~/p", "--epochs", "1", "--quality-every", "0")[0] == 0
    assert cli("--resume", "--epochs", "2")[0] == 0
    assert cli("--resume", "--epochs", "3", f"--data=~{os.sep}p{os.sep}")[0] == 0


def test_idx_files_win_over_pictures_beside_them(pictures, tmp_path):
    both = shutil.copytree(pictures, tmp_path / "both")
    for part in "train", "t10k":
        for kind, shape in ("images-idx3", (3, 28, 28)), ("labels-idx1", (3,)):
            header = struct.pack(f">{1 + len(shape)}I", 0x800 + len(shape), *shape)
            (both / f"{part}-{kind}-ubyte").write_bytes(header + bytes(np.prod(shape)))
    assert not source.is_pictures(str(both))
    with (pytest.warns(DataWarning, match="not the known MNIST"),
          pytest.warns(DataWarning, match="IDX files and pictures, too .* the IDX files are used")):
        assert source.load(str(both), 28).pixels.shape == (6, 1, 28, 28)


@pytest.mark.skipif(sys.platform != "linux", reason="names of any bytes are Linux's")
def test_a_folder_of_any_name_trains_and_is_found_again(cli, command, tmp_path):
    name = os.fsdecode("絵 ".encode() + b"\xff")
    suns(tmp_path / name)
    assert cli("--data", name, *TRAIN)[0] == 0
    assert cli("--resume", "--epochs", "3")[0] == 0
    assert command(plot, "nearest", tmp_path / "result", "--n", "2")[0] == 0
    assert command(quality, tmp_path / "result")[0] == 0


# Bytes instead of floats


def test_bytes_become_the_floats_that_they_were_bit_for_bit():
    pixels = np.arange(256, dtype=np.uint8).reshape(4, 1, 8, 8)
    images = Images(pixels, None, "all bytes")
    expected = pixels.astype(np.float32) / 255
    for index in slice(None), np.array([3, 0, 3]), slice(1, 3):
        assert images[index].dtype == np.float32
        assert images[index].tobytes() == expected[index].tobytes()
    scaled = images.between(-1, 1)[:]
    assert scaled.dtype == np.float32 and scaled.min() == -1 and scaled.max() == 1
    np.testing.assert_allclose(scaled, pixels / 127.5 - 1, atol=1e-6)
    assert images.between(-1, 1).fingerprint == images.fingerprint


def test_pictures_are_kept_as_bytes(pictures):
    images = source.load(str(pictures), 32)
    assert images.pixels.dtype == np.uint8 and images.pixels.shape == (48, 3, 32, 32)


# How they are shown


def test_an_image_in_colour_has_one_scale_for_its_three_channels():
    image = np.random.RandomState(0).uniform(0, 1, (1, 3, 28, 28))
    image[0, 1] /= 2  # no strong green in it
    for factor, shift in ((1, 0), (7, -2)):  # as an unbounded generator may draw it
        shown = on_scale(factor * image + shift)
        low, high = np.quantile(image, (0.01, 0.99))
        np.testing.assert_allclose(shown, ((image - low) / (high - low)).clip(0, 1), atol=1e-9)
        assert shown[0, 1].max() < 0.6


def test_images_with_bounds_are_shown_as_they_are():
    values = np.array([-2, -1, 0, 1, 2], np.float32).reshape(1, 1, 1, 5)
    assert to_pixels(values, (-1, 1)).tolist() == [[[0, 0, 128, 255, 255]]]


def test_the_nearest_is_found_among_more_images_than_are_looked_at_at_once():
    random = np.random.RandomState(0)
    real = random.uniform(0, 1, (2300, 3, 4, 4)).astype(np.float32)
    index, distance = nearest_of(3 * real[[2250, 7, 1000]] - 1, real)
    assert index.tolist() == [2250, 7, 1000] and distance.max() < 1e-3
    index, distance = nearest_of(real[:1200], real, itself=True)
    assert (index != np.arange(1200)).all() and distance.min() > 0.01
