"""Pictures by command: python plot.py COMMAND RUN."""

import inspect
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import change_settings, settings_of
from PIL import Image

import dcgan
import plot
import trainer
from lab.images import source
from lab.look import curves, film, generated
from lab.look.commands import COMMANDS, LEFT
from lab.look.tiles import to_pixels
from lab.runs import claim, files
from lab.runs.opened import open_run
from lab.runs.settings import write_settings
from plot import sample_grid


@pytest.fixture
def run(tiny_run, tmp_path):
    """Returns a copy of a finished run of three epochs."""
    return shutil.copytree(tiny_run, tmp_path / "run")


@pytest.fixture
def command(capsys):
    """Returns a function: command("strip", folder) runs plot.py.

    It returns (exit code, stdout, stderr).
    """
    def call(*argv):
        try:
            code = plot.main([str(part) for part in argv])
        except SystemExit as stop:
            code = stop.code
        return code, *capsys.readouterr()

    return call


def pixels(path):
    with Image.open(path) as picture:
        return np.asarray(picture)


def long_run(folder, epochs, every=1):
    """Writes the log of a run, and pictures of noise at every `every`-th epoch. Returns folder."""
    folder.mkdir()
    write_settings(folder, settings_of(epochs=epochs))
    stream = np.random.default_rng(0)
    for epoch in range(0, epochs + 1, every):
        sample_grid(stream.normal(size=(9, 1, 28, 28)), stream.random(9),
                    files.picture(folder, epoch), title=f"epoch {epoch}")
    rows = [(epoch, *np.exp(stream.normal([0, -9 + epoch / 100])), 5.0, *stream.random(2))
            for epoch in range(1, epochs + 1)]
    files.write_table(folder / "losses.csv", files.LOSS_COLUMNS, rows)
    return folder


# samples

def test_samples_are_as_many_as_asked_for_in_the_run_or_elsewhere(command, run, tmp_path):
    assert command("samples", run, "--n", 4) == (0, f"{run / 'samples.png'}\n", "")
    assert command("samples", run, "--n", 4, "--out", tmp_path / "x.png")[0] == 0
    assert (tmp_path / "x.png").read_bytes() == (run / "samples.png").read_bytes()
    assert pixels(run / "samples.png").shape[1] == 2 * (168 + 12) - 12 + 36


def singles(folder):
    return [pixels(path) for path in sorted(folder.iterdir())]


def test_single_samples_are_the_generators_images_in_test_mode(command, run):
    assert command("singles", run, "--n", 3, "--seed", 5)[0] == 0
    gen, _, _ = open_run(run).networks()
    z = np.random.RandomState(5).uniform(-1, 1, (3, 10)).astype(np.float32)
    images = singles(run / "samples")
    np.testing.assert_array_equal(images, to_pixels(dcgan.generate(gen, z)))
    assert images[0].shape == (28, 28)


def test_the_old_spelling_of_singles_draws_the_same(command, run, tmp_path):
    said = command("samples", run, "--single", "--n", 2, "--out", tmp_path / "old")
    assert said == (0, f"{tmp_path / 'old'}\n", "")
    command("singles", run, "--n", 2, "--out", tmp_path / "new")
    np.testing.assert_array_equal(singles(tmp_path / "old"), singles(tmp_path / "new"))


def test_an_image_does_not_depend_on_how_many_are_drawn_with_it(command, run, tmp_path):
    for n in 2, 7:
        command("singles", run, "--n", n, "--out", tmp_path / f"{n}")
    np.testing.assert_array_equal(singles(tmp_path / "2"), singles(tmp_path / "7")[:2])


def test_a_probability_does_not_depend_on_the_images_beside_it(tiny_run):
    gen, dis, _ = open_run(tiny_run).networks()
    images = dcgan.generate(gen, generated.latent(3, 7, gen.z_dim))
    prob = generated.probability_alone(gen, dis, images)
    assert prob.std() > 0
    alone = generated.probability_alone(gen, dis, images[2:3])
    np.testing.assert_allclose(alone, prob[2:3], rtol=1e-5)


def test_the_probability_is_that_of_training_in_a_batch_of_generated_images(tiny_run):
    """The reference batch itself gets the probabilities of training."""
    gen, dis, _ = open_run(tiny_run).networks()
    batch = dcgan.generate(gen, generated.latent(0, 256, gen.z_dim))
    np.testing.assert_allclose(generated.probability_alone(gen, dis, batch),
                               dcgan.probability_of_real(dis, batch), rtol=0.01)


def test_sorting_puts_the_most_real_first(command, run, tmp_path):
    gen, dis, _ = open_run(run).networks()
    images = dcgan.generate(gen, generated.latent(0, 6, gen.z_dim))
    best = np.argsort(-generated.probability_alone(gen, dis, images))
    command("singles", run, "--n", 6, "--sort-by-real", "--out", tmp_path / "s")
    np.testing.assert_array_equal(singles(tmp_path / "s"), to_pixels(images[best]))


def test_a_published_generator_gives_samples_without_probabilities(command, run):
    for path in run.iterdir():
        if path.name not in ("settings.json", "generator.npz"):
            path.unlink()
    assert command("samples", run, "--n", 4)[0] == 0
    assert pixels(run / "samples.png").shape[0] == 18 + 26 + 2 * (168 + 12) - 12 + 18
    code, _, err = command("samples", run, "--sort-by-real")
    assert code == 1 and "discriminator.npz" in err


# losses

@pytest.mark.parametrize("epochs", [1, 10, 1000])
def test_losses_are_drawn_for_short_and_long_runs(command, tmp_path, epochs):
    folder = long_run(tmp_path / "run", epochs, every=1000)
    assert command("losses", folder)[0] == 0
    first = (folder / "losses.png").read_bytes()
    colours = {tuple(colour) for colour in pixels(folder / "losses.png")[..., :3].reshape(-1, 3)}
    assert {(31, 119, 180), (255, 127, 14)} <= colours  # the two curves
    command("losses", folder)
    assert (folder / "losses.png").read_bytes() == first


def test_the_trend_of_a_long_run_is_the_median_around_each_epoch():
    values = np.array([1.0, 9.0, 2.0, 3.0, 100.0])
    assert curves.running_median(values, 3).tolist() == [5.0, 2.0, 3.0, 3.0, 51.5]


# animate

def test_the_animation_shows_the_runs_pictures_in_their_order(command, run):
    code, out, err = command("animate", run, "--fps", 20)
    assert code == 0 and "picture 4/4" in err
    with Image.open(run / "animation.gif") as gif:
        assert gif.n_frames == 4
        for epoch in range(4):
            gif.seek(epoch)
            frame = np.asarray(gif.convert("L")).astype(int)
            picture = pixels(run / f"epoch-{epoch:04d}.png").astype(int)
            assert np.abs(frame - picture).max() <= 9  # 16 greys
            assert gif.info["duration"] == (2000 if epoch == 3 else 50)


def test_every_chooses_the_epochs_and_keeps_the_last(command, run):
    command("animate", run, "--every", 2)
    with Image.open(run / "animation.gif") as gif:
        assert gif.n_frames == 3  # 0, 2, 3


def test_a_thousand_pictures_of_noise_are_below_10_megabytes(command, tmp_path):
    folder = long_run(tmp_path / "run", 20)
    for epoch in range(21, 1001):  # the same noise again: their number counts here
        (folder / f"epoch-{epoch:04d}.png").hardlink_to(folder / f"epoch-{epoch % 20:04d}.png")
    command("animate", folder)
    assert (folder / "animation.gif").stat().st_size < 10e6
    with Image.open(folder / "animation.gif") as gif:
        assert gif.n_frames > 100


# strip

def test_the_strip_shows_the_chosen_epochs_side_by_side(command, run):
    command("strip", run, "--epochs", "1,3")
    strip = pixels(run / "strip.png")
    for i, epoch in enumerate((1, 3)):
        for row, column in np.ndindex(3, 3):
            top, left = 18 + 26 + 24 + row * (168 + 12 + 24), 18 + column * (168 + 12)
            image = pixels(run / f"epoch-{epoch:04d}.png")[top:top + 168:6, left:left + 168:6]
            left = 18 + i * (3 * (112 + 12) - 12 + 32) + column * (112 + 12)
            band = strip[:, left:left + 112]
            tops = [y for y in range(len(band) - 111)
                    if np.array_equal(band[y:y + 112], np.kron(image, np.ones((4, 4), np.uint8)))]
            assert len(tops) >= 1, (epoch, row, column)


def test_a_strip_has_four_epochs_in_a_row_and_letters_that_a_readme_shows_legibly(
        command, run, tmp_path):
    shutil.copy(run / "epoch-0000.png", run / "epoch-0004.png")
    sizes = []
    for epochs in "0,1,2,3", "0,1,2,3,4":
        command("strip", run, "--epochs", epochs, "--out", tmp_path / "x.png")
        sizes.append(pixels(tmp_path / "x.png").shape)
    (height, width), (higher, as_wide) = sizes
    assert as_wide == width and higher == 2 * (height - 36) + 32 + 36
    strip = pixels(tmp_path / "x.png")
    inked = (strip[:, 18:18 + 112] < 160).any(axis=1)  # the first epoch's first column
    begins = np.flatnonzero(np.diff(inked.astype(int)) == 1)
    ends = np.flatnonzero(np.diff(inked.astype(int)) == -1)
    # DejaVu's "l" of "real" is 0.76 of the letters' size, "epoch" from h to p 1.0 of it.
    epoch, label = (ends - begins)[:2] * 850 / width
    assert 11 <= label / 0.76 < 14 and 13 < epoch < 17


def test_a_strip_has_the_posts_epochs(tmp_path):
    folder = long_run(tmp_path / "run", 1000, every=100)
    shutil.copy(folder / "epoch-0000.png", folder / "epoch-0001.png")
    assert film.post_epochs(open_run(folder).pictures()) == [1, 100, 500, 1000]


def test_the_strip_of_a_shorter_run_has_the_same_shares_of_it(tmp_path):
    folder = long_run(tmp_path / "run", 60)
    assert film.post_epochs(open_run(folder).pictures()) == [1, 6, 30, 60]


def test_an_epoch_without_a_picture_is_named(command, run):
    code, _, err = command("strip", run, "--epochs", "1,7")
    assert code == 1 and re.search(r"--epochs, 7.*0 to 3", err)
    assert not (run / "strip.png").exists()


# walk

def test_both_ways_lead_from_one_z_to_the_other():
    start, end = np.random.RandomState(0).uniform(-1, 1, (2, 100)).astype(np.float32)
    for way in generated.straight, generated.great_circle:
        z = way(start, end, 9)
        assert z.dtype == np.float32 and z.shape == (9, 100)
        np.testing.assert_allclose(z[[0, -1]], [start, end], atol=1e-6)


def test_the_great_circle_turns_evenly_and_keeps_the_length():
    z = generated.great_circle(np.array([3, 0]), np.array([0, 3]), 4)
    angle = np.radians([0, 30, 60, 90])
    np.testing.assert_allclose(z, 3 * np.stack([np.cos(angle), np.sin(angle)], 1), atol=1e-6)


def test_the_straight_way_is_shorter_in_the_middle():
    z = generated.straight(np.array([3, 0]), np.array([0, 3]), 3)
    assert z[1].tolist() == [1.5, 1.5]


@pytest.mark.parametrize("end", [[2.0, 0.0], [-1.0, 0.0]])
def test_parallel_vectors_have_no_great_circle_and_get_the_straight_way(end):
    start, end = np.array([1.0, 0.0]), np.array(end)
    np.testing.assert_allclose(generated.great_circle(start, end, 5),
                               generated.straight(start, end, 5))


def test_a_walk_has_two_rows_for_each_of_three_pairs(command, run):
    command("walk", run, "--steps", 5)
    walk = pixels(run / "walk.png")
    height, width = walk.shape
    assert height == 36 + 26 + 6 * (24 + 112 + 12) - 12
    margin = width - (5 * (112 + 12) - 12) - 18
    assert (walk[:, -18:] == 255).all()
    # The names of the two ways, in turn, stand in a margin of their own beside the images.
    names = [walk[44 + 24 + i * 148:44 + 24 + i * 148 + 112, :margin - 12] for i in range(6)]
    assert (names[0] < 128).any() and (names[0] != names[1]).any()
    for name in names:
        assert any(np.array_equal(name, way) for way in names[:2])


# nearest

def test_the_nearest_training_image_is_the_one_at_the_smallest_angle():
    stream = np.random.RandomState(0)
    real = stream.uniform(size=(50, 1, 28, 28)).astype(np.float32)
    images = stream.normal(size=(7, 1, 28, 28)).astype(np.float32)
    index, distance = generated.nearest_of(images, real)
    correlation = np.corrcoef(images.reshape(7, -1), real.reshape(50, -1))[:7, 7:]
    np.testing.assert_array_equal(index, correlation.argmax(axis=1))
    np.testing.assert_allclose(distance, np.sqrt(2 - 2 * correlation.max(axis=1)), rtol=1e-4)


def test_a_copy_is_at_distance_zero_however_bright_and_no_image_is_its_own_neighbour():
    real = np.random.RandomState(0).uniform(size=(300, 1, 28, 28)).astype(np.float32)
    index, distance = generated.nearest_of(3 * real[[7, 8]] - 1, real)
    assert index.tolist() == [7, 8] and distance.max() < 1e-4
    index, distance = generated.nearest_of(real[:250], real, itself=True)
    assert (index != np.arange(250)).all() and (distance > 0.5).all()


def test_nearest_shows_pairs_from_the_runs_own_images(command, run):
    assert command("nearest", run, "--n", 4)[0] == 0
    picture = pixels(run / "nearest.png")
    top = 18 + 2 * 26 + 24
    tile = picture[top:top + 112, 18 + 116:18 + 116 + 112][::4, ::4]
    assert any((tile == real).all() for real in to_pixels(source.load("digits").of(0).x))


def test_images_of_another_digit_are_not_the_runs(command, run):
    change_settings(run, digit=3)
    code, _, err = command("nearest", run)
    assert code == 1 and "--data, digits" in err


# every command

@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself_with_an_example(command, name):
    code, out, _ = command(name, "--help")
    assert code == 0 and f"python plot.py {name} result" in out
    assert max(map(len, out.splitlines())) <= 80


@pytest.mark.parametrize("name", COMMANDS)
def test_the_examples_in_the_help_run(command, tiny_run, tmp_path, monkeypatch, name):
    shutil.copytree(tiny_run, tmp_path / "result")
    monkeypatch.chdir(tmp_path)
    example = re.search(r"python plot\.py (.*)", command(name, "--help")[1])[1]
    example = example.replace("1,100,500,1000", "1,2,3")
    code, out, err = command(*example.split())
    assert code == 0 and Path(out.strip()).stat().st_size > 1000
    # What it writes by default is where its row says, and so --overwrite finds it.
    if "--out" not in example:
        assert Path(out.strip()) == Path("result") / COMMANDS[name].file
        assert any(list(Path("result").glob(pattern)) for pattern in COMMANDS[name].left)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_has_every_parameter_of_the_function_with_its_default(command, name):
    out = " ".join(command(name, "--help")[1].split())
    _, *parameters = inspect.signature(COMMANDS[name].function).parameters.values()
    for parameter in parameters:
        flag = f"--{parameter.name.replace('_', '-')}"
        assert f" {flag} " in out.partition("options:")[2]
        if parameter.name != "out" and parameter.default not in (None, False):
            assert f"(default: {parameter.default})" in out.partition(f" {flag} ")[2]


def test_the_pages_of_a_run_that_cannot_be_written_to_go_elsewhere(command, run, tmp_path,
                                                                  monkeypatch):
    """The pictures that they show go with them. A tilde that the shell has left is home."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    site = tmp_path / "home" / "site"
    site.mkdir(parents=True)
    before = {path.name: path.stat().st_mtime_ns for path in run.iterdir()}
    for name in "play.html", "index.html":
        code, out, _ = command({"play.html": "play", "index.html": "page"}[name], run,
                               f"--out=~/site/{name}")
        assert (code, out) == (0, f"{site / name}\n")
    assert {path.name: path.stat().st_mtime_ns for path in run.iterdir()} == before
    assert {path.name for path in site.iterdir()} == {
        "index.html", "index.js", "play.html", "real.png", *map("epoch-000{}.png".format, range(4))}


def test_no_picture_outlives_a_run_that_is_discarded(command, run):
    for name in COMMANDS:
        assert command(name, run)[0] == 0
    claim.discard(run, LEFT)
    assert {path.name for path in run.iterdir()} <= {".lock", ".gitignore"}


def test_overwriting_a_run_takes_its_pictures_away_too(command, run):
    for name in "singles", "walk":
        command(name, run)
    tiny = ["--data", "digits", "--epochs", "1", "--batch-size", "178", "--quality-every", "0"]
    assert trainer.main([*tiny, "--overwrite", "--out", str(run)]) == 0
    assert not (run / "samples").exists() and not (run / "walk.png").exists()


def test_what_the_user_has_put_beside_single_samples_outlives_the_run(command, run):
    command("singles", run, "--n", 2)
    (run / "samples" / "mine.png").write_bytes(b"mine")
    claim.discard(run, LEFT)
    assert [path.name for path in (run / "samples").iterdir()] == ["mine.png"]


@pytest.mark.parametrize("name", COMMANDS)
def test_a_folder_that_is_no_run_is_refused_in_one_line(command, tmp_path, name):
    for folder in tmp_path, tmp_path / "nowhere":
        code, out, err = command(name, folder)
        assert code == 1 and out == ""
        assert err.startswith("plot.py: error: no run in this folder") and err.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name, missing, said", [
    ("samples", "*.npz", "generator.npz"), ("losses", "losses.csv", "losses.csv"),
    ("animate", "epoch-*.png", "pictures"), ("strip", "epoch-*.png", "pictures"),
    ("walk", "*.npz", "generator.npz"), ("nearest", "*.npz", "generator.npz")])
def test_what_a_run_lacks_is_named(command, run, name, missing, said):
    for path in run.glob(missing):
        path.unlink()
    before = sorted(run.iterdir())
    code, _, err = command(name, run)
    assert code == 1 and said in err and err.count("\n") == 1
    assert sorted(run.iterdir()) == before


@pytest.mark.parametrize("argv, said", [
    (["samples", "--n", "0"], "--n: '0' is not a whole number, 1 to 5000"),
    (["samples", "--seed", "-1"], "--seed"), (["samples", "--out", "x.jpg"], "'x.jpg'"),
    (["samples", "--out", "no/x.png"], "'no/x.png'"), (["samples", "--see", "1"], "--see"),
    (["animate", "--fps", "0"], "--fps"), (["animate", "--fps", "51"], "--fps"),
    (["animate", "--every", "0"], "--every"), (["animate", "--out", "x.png"], "'x.png'"),
    (["strip", "--epochs", "1,x"], "'x'"), (["strip", "--epochs", ""], "''"),
    (["walk", "--steps", "1"], "--steps"), (["nearest", "--n", "1e3"], "'1e3'"),
    (["losses", "--out", "."], "'.'"), ([], "COMMAND"), (["draw"], "'draw'")])
def test_a_bad_flag_is_refused_in_one_line(command, tmp_path, monkeypatch, argv, said):
    monkeypatch.chdir(tmp_path)
    code, out, err = command(*argv[:1], *(["run"] if argv else []), *argv[1:])
    assert code == 2 and out == "" and said in err and err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_damaged_picture_is_named(command, run):
    whole = (run / "epoch-0002.png").read_bytes()
    for damaged in whole[:900], whole[:11] + b"\x0c" + whole[12:]:  # cut; a header of 12 bytes
        (run / "epoch-0002.png").write_bytes(damaged)
        for argv in ["animate"], ["strip", "--epochs", "1,2"]:
            code, _, err = command(argv[0], run, *argv[1:])
            assert code == 1 and "epoch-0002.png" in err.splitlines()[-1]
            assert not [path for path in run.iterdir() if path.suffix in (".gif", ".tmp")]


def test_a_picture_that_cannot_be_written_is_one_line(command, run, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    code, _, err = command("strip", run)
    assert code == 1 and "No space left on device" in err and "strip.png" in err
    assert not list(run.glob("strip*"))


def test_help_comes_at_once_because_chainer_and_matplotlib_wait(tmp_path):
    script = ("import sys, plot\n"
              "try: plot.main(['samples', '--help'])\n"
              "except SystemExit: print({'chainer', 'matplotlib', 'sklearn'} & set(sys.modules))")
    out = subprocess.run([sys.executable, "-c", script], cwd=Path(plot.__file__).parent,
                         capture_output=True, text=True, check=True).stdout
    assert out.splitlines()[-1] == "set()"
