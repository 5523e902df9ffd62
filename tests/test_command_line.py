"""trainer.py as a user types it: what it leaves, what it says, what it refuses."""

import csv
import json
import ntpath
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import TINY
from PIL import Image

from chainer_cpu import _compile, chainer
from dcgan import Discriminator, Generator, generate
from lab import cli as house
from lab.cli import patience, version
from lab.cli.console import Console
from lab.images import source
from lab.images.errors import Unavailable
from lab.judge import figures
from lab.training import words
from trainer import Trainer

HERE = Path(__file__).resolve().parents[1]


def rows(folder):
    with open(folder / "losses.csv", newline="") as file:
        return list(csv.DictReader(file))


def losses(folder):
    return [(float(row["loss_gen"]), float(row["loss_dis"])) for row in rows(folder)]


def test_a_run_leaves_pictures_log_settings_and_networks(tiny_run):
    names = {path.name for path in tiny_run.iterdir()}
    assert names >= {"settings.json", "losses.csv", "real.png", "epoch-0000.png", "epoch-0001.png",
                     "epoch-0002.png", "epoch-0003.png", "generator.npz", "discriminator.npz",
                     "generator-average.npz"}
    assert not [name for name in names if name.endswith(".tmp")]
    for path in tiny_run.glob("*.png"):
        with Image.open(path) as picture:
            picture.load()
            assert min(picture.size) > 3 * 28


def test_settings_say_what_was_run_on_which_images(tiny_run):
    settings = json.loads((tiny_run / "settings.json").read_text(encoding="utf-8"))
    expected = {"digit": 0, "epochs": 3, "batch_size": 60, "z_dim": 10, "alpha": 0.001,
                "beta1": 0.9, "seed": 0, "sizes": "listing", "recipe": "post", "data": "digits",
                "images": 178, "channels": 1, "data_source": source.load("digits").of(0).source}
    assert {key: settings[key] for key in expected} == expected


def test_the_log_holds_the_mean_losses_of_the_loop(tiny_run):
    x = source.load("digits").of(0).x
    np.random.seed(0)
    trainer = Trainer(Generator(10), Discriminator())
    np.testing.assert_allclose(losses(tiny_run), trainer.fit(x, epochs=3, batch_size=60), rtol=1e-6)
    assert [row["epoch"] for row in rows(tiny_run)] == ["1", "2", "3"]
    for row in rows(tiny_run):
        assert float(row["seconds"]) > 0
        assert 0 <= float(row["prob_generated"]) <= 1 and 0 <= float(row["prob_real"]) <= 1


def stock_generator(z_dim):
    """Returns a generator of Chainer's own links, with the post's names."""
    L = chainer.links
    net = chainer.Chain()
    with net.init_scope():
        net.l1 = L.Linear(z_dim, 4608)
        for i, (a, b, k) in enumerate([(512, 256, 2), (256, 128, 2), (128, 64, 2), (64, 1, 3)], 1):
            setattr(net, f"dc{i}", L.Deconvolution2D(a, b, k, stride=k, pad=1))
            setattr(net, f"bn{i}", L.BatchNormalization(a))
    return net


def test_stock_chainer_loads_the_generator_and_draws_the_same_images(tiny_run):
    with np.load(tiny_run / "generator.npz", allow_pickle=False) as file:
        assert all(file[name].dtype != object for name in file.files)
    net, F = stock_generator(10), chainer.functions
    chainer.serializers.load_npz(str(tiny_run / "generator.npz"), net)
    ours = Generator(10)
    chainer.serializers.load_npz(str(tiny_run / "generator.npz"), ours)
    z = np.random.RandomState(0).uniform(-1, 1, (4, 10)).astype(np.float32)
    with chainer.using_config("train", False):
        h = F.relu(net.bn1(net.l1(z).reshape(4, 512, 3, 3)))
        h = F.relu(net.bn2(net.dc1(h)))
        h = F.relu(net.bn3(net.dc2(h)))
        stock = net.dc4(F.relu(net.bn4(net.dc3(h)))).array
    np.testing.assert_allclose(generate(ours, z), stock, rtol=1e-4, atol=1e-5)
    chainer.serializers.load_npz(str(tiny_run / "discriminator.npz"), Discriminator())


def test_pictures_draw_nothing_from_the_training(tiny_run, cli, tmp_path):
    cli(*TINY, "--out", "other", "--picture-every", "2")
    assert losses(tmp_path / "other") == losses(tiny_run)
    pictures = sorted(path.name for path in (tmp_path / "other").glob("epoch-*.png"))
    assert pictures == ["epoch-0000.png", "epoch-0002.png", "epoch-0003.png"]
    for name in pictures:  # the same nine z, so the same picture
        assert (tmp_path / "other" / name).read_bytes() == (tiny_run / name).read_bytes()


def test_another_seed_is_another_run(tiny_run, cli, tmp_path):
    cli(*TINY, "--out", "other", "--seed", "1")
    assert losses(tmp_path / "other") != losses(tiny_run)


def test_it_says_what_it_does_before_while_and_after(cli):
    code, out, err = cli(*TINY, "--digit", "3")
    assert code == 0
    for promise in ("183 of digit 3", "3 per epoch, batch 60", "discriminator  700,674 parameters",
                    "maps 3-4-6-10-28", "BLAS", "result/", "loss_gen", "result/epoch-0003.png"):
        assert promise in out
    assert "epoch 3/3" in err and "images/s" in err
    assert out.startswith("loading  ")
    assert "\r" not in err  # sensible in a pipe
    assert max(map(len, out.splitlines())) <= 80


@pytest.mark.parametrize("columns, shown", [
    (79, "loss G 5.110 D 0.0165, 147/s"), (60, "loss G 5.110 D 0.0165"), (45, None)])
def test_a_narrow_bar_still_says_which_loss_is_which(columns, shown):
    """Where there is no room for both losses, it leaves both out."""
    bar = Console("trainer.py").bar(1000, 12, "epoch")
    bar.details, bar.ncols = words.progress(5.11, 0.0165, 147), columns
    text = str(bar)
    bar.close()
    assert len(text) < columns
    assert text.endswith(shown) if shown else "5.110" not in text


def test_the_papers_recipe_and_flags_that_win_over_it(small_cli, tmp_path):
    flags = "--data digits --epochs 1 --recipe paper --beta1 0.7".split()
    assert small_cli(*flags)[0] == 0
    settings = json.loads((tmp_path / "result" / "settings.json").read_text(encoding="utf-8"))
    assert (settings["batch_size"], settings["alpha"], settings["beta1"]) == (100, 0.0002, 0.7)


def test_the_comments_sizes_train_from_the_command_line(small_cli, tmp_path):
    code, out, _ = small_cli(*TINY, "--epochs", "1", "--sizes", "comment")
    assert code == 0 and "3-4-5-10-28" in out


@pytest.mark.parametrize("flag, value, allowed", [
    ("--digit", "10", "0 to 9"), ("--digit", "-1", "0 to 9"), ("--digit", "x", "0 to 9"),
    ("--digit", "3.0", "0 to 9"), ("--epochs", "0", "1 or more"), ("--epochs", "-5", "1 or more"),
    ("--epochs", "abc", "1 or more"), ("--epochs", "1_000", "1 or more"),
    ("--batch-size", "0", "2 or more"), ("--batch-size", "-3", "2 or more"),
    ("--batch-size", "179", "at most"), ("--z-dim", "0", "1 to 10000"),
    ("--z-dim", "1000000000000000000", "1 to 10000"),
    ("--alpha", "nan", "above 0"), ("--alpha", "inf", "above 0"), ("--alpha", "0", "above 0"),
    ("--alpha", "-1", "above 0"), ("--alpha", "1e", "above 0"), ("--beta1", "1", "below 1"),
    ("--beta1", "nan", "below 1"), ("--seed", "-1", "0 to 4294967295"),
    ("--seed", "4294967296", "0 to 4294967295"), ("--sizes", "other", "listing"),
    ("--recipe", "own", "post"), ("--picture-every", "0", "1 or more"),
    ("--checkpoint-every", "0", "1 or more"), ("--epoch", "3", "--help"), ("--dig", "3", "--help"),
    ("--data", "nowhere", "IDX"),
])
def test_a_bad_value_is_one_line_with_flag_value_and_what_is_allowed(cli, tmp_path, flag, value,
                                                                      allowed):
    code, out, err = cli("--data", "digits", flag, value)
    assert code == 2
    assert err.startswith("trainer.py: error: ") and err.count("\n") == 1
    assert flag in err and value in err and allowed in err
    assert "Traceback" not in err and not list(tmp_path.iterdir())


def test_an_output_path_that_is_a_file_or_has_no_parent_is_refused_before_the_data(cli, tmp_path,
                                                                                   monkeypatch):
    (tmp_path / "file").write_text("mine")
    monkeypatch.setattr(source, "load", lambda *_: pytest.fail("data was loaded"))
    for out in ("file", "file/below", "missing/below"):
        code, _, err = cli("--out", out)
        assert code == 2 and err.count("\n") == 1 and "--out" in err and out in err
    monkeypatch.setattr("os.access", lambda *_: False)
    code, _, err = cli("--out", "new")
    assert code == 2 and "cannot be written" in err
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "mine"


def test_a_folder_that_holds_a_run_is_refused_until_told_to_discard_it(small_cli, tmp_path):
    tiny = [*TINY, "--epochs", "1", "--out", "röt e"]
    assert small_cli(*tiny)[0] == 0
    folder = tmp_path / "röt e"
    (folder / "notes.txt").write_text("mine")
    (folder / "epoch-0007.png").write_text("of an older, longer run")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    code, _, err = small_cli(*tiny)
    assert code == 2 and "--overwrite" in err and "--resume" in err and err.count("\n") == 1
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert small_cli(*tiny, "--overwrite", "--seed", "5")[0] == 0
    assert (folder / "notes.txt").read_text() == "mine"
    assert not (folder / "epoch-0007.png").exists()
    assert (folder / "generator.npz").read_bytes() != before["generator.npz"]


@pytest.mark.parametrize("flags, recipe, epochs", [
    ((), "steady", 400), (("--epochs", "9"), "post", 9), (("--data", "digits"), "post", 1000),
    (("--digit", "all"), "post", 1000)])
def test_where_mnist_cannot_be_had_the_small_digits_are_learned_as_suits_them(
        small_cli, tmp_path, monkeypatch, flags, recipe, epochs):
    def no_network():
        raise Unavailable("no network")

    def stop(*args):
        os.kill(os.getpid(), signal.SIGTERM)
        return update(*args)

    update = Trainer.update
    monkeypatch.delenv("MNIST_DIR", raising=False)
    monkeypatch.setattr(source.openml, "read", no_network)
    monkeypatch.setattr(Trainer, "update", stop)
    code, out, err = small_cli("--quality-every", "0", *flags)
    assert code == 143
    settings = json.loads((tmp_path / "result" / "settings.json").read_text(encoding="utf-8"))
    assert (settings["recipe"], settings["epochs"]) == (recipe, epochs)
    assert ("which\nsuit them" in out) == (recipe == "steady")
    if "--data" not in flags:  # what to expect, and the command for later
        assert "expect rough shapes" in err and "python trainer.py --data openml" in err


def test_a_run_that_came_while_the_images_were_loaded_is_not_discarded(cli, tiny_run, tmp_path,
                                                                       monkeypatch):
    def slow(*args):
        shutil.copytree(tiny_run, tmp_path / "result")
        return load(*args)

    load = source.load
    monkeypatch.setattr(source, "load", slow)
    code, _, err = cli(*TINY)
    assert code == 2 and "already holds a run" in err and err.count("\n") == 1
    for name in "generator.npz", "checkpoint-0003.npz":
        assert (tmp_path / "result" / name).read_bytes() == (tiny_run / name).read_bytes()


@pytest.mark.parametrize("flag, advice", [
    (None, "choose another --out"), ("--overwrite", "choose another --out"),
    ("--resume", "name the folder of a run")])
def test_a_folder_of_the_users_own_is_never_discarded(cli, tmp_path, flag, advice):
    """A web site, or another program's settings, may have the names of a run's files."""
    site = tmp_path / "site"
    site.mkdir()
    for name in "index.html", "settings.json", "samples.png":
        (site / name).write_text("{}")
    code, _, err = cli(*TINY, "--out", "site", *filter(None, [flag]))
    assert code == (1 if flag == "--resume" else 2) and err.count("\n") == 1
    assert "(--out, site" in err and advice in err
    if flag != "--resume":
        assert "index.html" in err
    assert sorted(path.name for path in site.iterdir()) == ["index.html", "samples.png",
                                                            "settings.json"]


def test_a_folder_that_a_file_manager_has_looked_at_is_empty(small_cli, tmp_path):
    (tmp_path / "new").mkdir()
    for name in ".DS_Store", "Thumbs.db", "desktop.ini":
        (tmp_path / "new" / name).touch()
    assert small_cli(*TINY, "--epochs", "1", "--out", "new")[0] == 0
    assert small_cli(*TINY, "--epochs", "1", "--out", "new", "--overwrite")[0] == 0
    assert (tmp_path / "new" / "Thumbs.db").exists()


@pytest.mark.parametrize("folder", [".", "docs/pictures", "pretrained", "lab/new", "tests"])
@pytest.mark.parametrize("flags", [[], ["--overwrite"]])
def test_the_projects_own_folders_are_refused(cli, folder, flags):
    own = HERE / folder
    before = sorted(own.iterdir()) if own.exists() else None
    code, _, err = cli(*TINY, "--out", str(own), *flags)
    assert code == 2 and "the project's own" in err and err.count("\n") == 1
    assert (sorted(own.iterdir()) if own.exists() else None) == before


def test_git_leaves_out_what_a_run_writes_and_nothing_of_the_users(small_cli, tmp_path):
    def untracked():
        done = subprocess.run(["git", "status", "--porcelain", "-uall"], cwd=tmp_path, text=True,
                              capture_output=True, check=True)
        return done.stdout.split()[1::2]

    subprocess.run(["git", "init"], cwd=tmp_path, capture_output=True, check=True)
    (tmp_path / "mine").mkdir()
    assert small_cli(*TINY, "--epochs", "1", "--out", "mine")[0] == 0
    assert small_cli(*TINY, "--epochs", "1", "--out", "made")[0] == 0
    assert untracked() == []
    for folder in "mine", "made":
        (tmp_path / folder / "notes.txt").touch()
    assert untracked() == ["mine/notes.txt"]  # the other folder is the run's, all of it


def test_the_tilde_is_home_and_a_dot_is_where_one_is(small_cli, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    assert small_cli(*TINY, "--epochs", "1", "--out=~/r")[0] == 0
    assert (tmp_path / "home" / "r" / "generator.npz").exists()
    monkeypatch.chdir(tmp_path / "home" / "r")
    assert small_cli("--resume", "--epochs", "2", "--out", ".")[0] == 0


def test_the_old_run_stays_until_the_new_one_can_begin(small_cli, tmp_path, monkeypatch):
    def interrupted(*_):
        os.kill(os.getpid(), signal.SIGINT)

    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in a shell's background
    assert small_cli(*TINY, "--epochs", "1")[0] == 0
    before = {path.name: path.read_bytes() for path in (tmp_path / "result").iterdir()}
    monkeypatch.setattr(figures, "Judge", interrupted)
    code, _, err = small_cli(*TINY, "--quality-every", "1", "--overwrite")
    assert code == 130 and "nothing was lost" in err
    assert {path.name: path.read_bytes() for path in (tmp_path / "result").iterdir()} == before


def test_ctrl_c_while_chainer_is_loaded_is_one_message(capsys):
    with pytest.raises(SystemExit) as stop, Console("trainer.py").loading("loading"):
        raise KeyboardInterrupt
    assert stop.value.code == 130
    assert capsys.readouterr().err == "trainer.py: error: interrupted; nothing had begun\n"


def test_ctrl_c_while_kernels_are_compiled_stops_at_once(cli, tmp_path, monkeypatch):
    """The run does not wait for the end of the iteration, and can be resumed."""
    def update(*_):
        _compile._tell()  # as before each kernel that is not on the disk
        os.kill(os.getpid(), signal.SIGINT)
        pytest.fail("the iteration went on")

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "update", update)
        code, out, err = cli(*TINY, "--epochs", "1")
    assert code == 130 and "\ncompiling " in out
    message, = (line for line in err.splitlines() if "error" in line)
    assert "nothing is lost, go on with: " in message and message.endswith("trainer.py --resume")
    assert cli("--resume")[0] == 0


@pytest.mark.faults
def test_ctrl_c_while_really_compiling_ends_within_two_seconds(tmp_path):
    run = subprocess.Popen(
        [sys.executable, HERE / "trainer.py", *TINY], cwd=tmp_path, text=True,
        env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache")},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    for line in run.stdout:
        if line.startswith("compiling"):
            break
    time.sleep(3)
    begun = time.monotonic()
    run.send_signal(signal.SIGINT)
    _, err = run.communicate()
    assert time.monotonic() - begun < 2
    assert run.returncode == 130 and err.count("\n") == 1 and "nothing is lost" in err


def test_an_epoch_resumed_in_its_midst_is_not_called_faster_than_it_was(
        small_cli, tmp_path, monkeypatch):
    """The epoch has two iterations of a second, one before and one after the interruption."""
    clock, update = [0], Trainer.update

    def second(*args):
        clock[0] += 1
        if clock[0] == 1:
            os.kill(os.getpid(), signal.SIGTERM)
        return update(*args)

    monkeypatch.setattr(Trainer, "update", second)
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])
    assert small_cli(*TINY, "--epochs", "1")[0] == 143
    code, out, _ = small_cli("--resume")
    assert code == 0 and re.search(r"done +1 epoch in 1 s, 60 images/s", out)
    assert [float(row["seconds"]) for row in rows(tmp_path / "result")] == [2]


# -- what Windows does, on any system ------------------------------------------------------------

def test_a_lock_that_nobody_may_write_to_holds_all_the_same(small_cli, tmp_path, monkeypatch):
    """Windows refuses a second handle what a first one has locked."""
    def write_text(path, *args, **kwargs):
        if path.name == ".lock":
            raise PermissionError(13, "Permission denied", str(path))
        return original(path, *args, **kwargs)

    original = Path.write_text
    monkeypatch.setattr(Path, "write_text", write_text)
    assert small_cli(*TINY, "--epochs", "1")[0] == 0
    assert small_cli("--resume", "--epochs", "2")[0] == 0


@pytest.mark.parametrize("page", ["index.js", "index.html"])
def test_a_page_that_is_being_read_does_not_end_the_run(small_cli, tmp_path, monkeypatch, page):
    """Windows replaces no file that a browser has open."""
    def replace(source, target):
        if target.name == page and target.exists():
            raise PermissionError(13, "Permission denied", str(target))
        return original(source, target)

    original = os.replace
    monkeypatch.setattr(os, "replace", replace)
    monkeypatch.setattr(patience, "PATIENCE", 0.1)
    code, out, err = small_cli(*TINY, "--epochs", "1")
    assert code == 0 and f"warning: [Errno 13] Permission denied: 'result/{page}'" in err
    assert "to draw with   result/play.html" in out
    assert (tmp_path / "result" / "generator.npz").exists()


def test_files_that_others_hold_for_a_moment_go_when_they_must(small_cli, tmp_path, monkeypatch):
    """A finished run that goes on deletes its networks; one that is discarded, all its files."""
    def unlink(path, **named):
        if path not in held:
            held.append(path)
            raise PermissionError(13, "Permission denied", str(path))
        return original(path, **named)

    assert small_cli(*TINY, "--epochs", "1", "--picture-every", "2")[0] == 0
    held, original = [], Path.unlink
    monkeypatch.setattr(Path, "unlink", unlink)
    assert small_cli("--resume", "--epochs", "2")[0] == 0
    assert {path.name for path in held} >= {"generator.npz", "epoch-0001.png"}
    assert small_cli(*TINY, "--epochs", "1", "--overwrite")[0] == 0
    assert not (tmp_path / "result" / "epoch-0002.png").exists()


def test_the_environment_may_be_on_another_drive(monkeypatch):
    monkeypatch.setattr(os.path, "relpath", lambda path: ntpath.relpath(path, "C:\\"))
    assert house.from_here("D:\\dcgan\\trainer.py") == "D:\\dcgan\\trainer.py"


def test_every_package_that_is_needed_is_asked_for():
    modules = {"pillow": "PIL", "scikit-learn": "sklearn"}
    names = re.findall(r"^[a-z-]+", (HERE / "requirements.txt").read_text(), re.MULTILINE)
    assert {modules.get(name, name) for name in names} == set(house.NEEDED)


def test_help_explains_every_flag_with_its_default_and_needs_no_chainer():
    code = ("import sys, trainer\ntry: trainer.main(['--help'])\nfinally:\n"
            " assert 'chainer' not in sys.modules and 'sklearn' not in sys.modules")
    done = subprocess.run([sys.executable, "-c", code], cwd=HERE, capture_output=True, text=True,
                          encoding="utf-8", env=None, timeout=60)
    assert done.returncode == 0, done.stderr
    for flag, default in (("--digit", 0), ("--epochs", 1000), ("--batch-size", 100),
                          ("--z-dim", 100), ("--alpha", 0.001), ("--beta1", 0.9), ("--seed", 0),
                          ("--maps", "listing"), ("--data", "auto"), ("--out", "result"),
                          ("--picture-every", 1), ("--recipe", "post"), ("--size", 28)):
        text = done.stdout[done.stdout.index(f"\n  {flag} "):]
        assert f"default: {default}" in text[:text.index(")") + 1].replace("\n", " "), flag
    assert "--sizes" not in done.stdout  # the old name of --maps
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_the_version_is_a_number_and_where_there_is_git_the_commit(cli, tmp_path, monkeypatch):
    number = re.search('^version = "(.+)"$', (HERE / "pyproject.toml").read_text(), re.MULTILINE)[1]
    code, out, err = cli("--version")
    assert (code, err) == (0, "") and out.strip().partition("+")[0] == number

    shutil.copy(HERE / "pyproject.toml", tmp_path)
    monkeypatch.setattr(version, "ROOT", tmp_path)
    version.version.cache_clear()
    assert version.version() == number

    def git(*words):
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=b", *words], cwd=tmp_path,
                       check=True, capture_output=True)

    git("init"), git("add", "."), git("commit", "-m", "first")
    version.version.cache_clear()
    assert re.fullmatch(re.escape(number) + r"\+[0-9a-f]{9}", version.version())
    (tmp_path / "pyproject.toml").write_text('version = "2.0"')
    version.version.cache_clear()
    assert re.fullmatch(r"2\.0\+[0-9a-f]{9}\.dirty", version.version())
    version.version.cache_clear()


def test_the_script_itself_runs_and_ends_with_zero(tmp_path):
    """Python starts trainer.py from another folder, under the C locale."""
    done = subprocess.run([sys.executable, HERE / "trainer.py", *TINY, "--epochs", "1"],
                          cwd=tmp_path, capture_output=True, timeout=120,
                          env={"LANG": "C", "PATH": "/usr/bin"})
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "result" / "epoch-0001.png").exists()
