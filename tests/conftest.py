"""What several files of tests share: finished runs, browsers, the command line as a function."""

import json
import os
import shutil
from collections import Counter
from pathlib import Path

import browsers
import numpy as np
import pytest
import small

import trainer
from lab import networks
from lab.look import page
from lab.runs import files
from lab.runs.opened import open_run
from lab.runs.settings import Settings, write_settings
from plot import sample_grid

# A folder of data that is no part of the project: mnist/ (MNIST's four .gz files) and golden/
# (traces of the original code). Without the variable, tests that need it are skipped.
SHARED = Path(os.environ["DCGAN_SHARED"]) if os.environ.get("DCGAN_SHARED") else None
needs_shared = pytest.mark.skipif(SHARED is None, reason="needs MNIST or a trace of 2016: the "
                                  "environment variable DCGAN_SHARED names a folder with them")

# A run that make started says how to go on by make. The runs here are started by tests.
os.environ.pop("MAKELEVEL", None)

# A quarter of a second per epoch: two iterations over scikit-learn's 178 zeros.
TINY = ["--data", "digits", "--epochs", "3", "--batch-size", "60", "--z-dim", "10",
        "--quality-every", "0"]


@pytest.fixture(scope="session", autouse=True)
def unsynced():
    """Leaves out fsync, in this process and its forks: no test cuts the power."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture(scope="module")
def small_networks():
    """Makes all networks small: a run takes a tenth of its time.

    It does not go with tiny_run and steady_run, whose networks have their full size.
    """
    with small.networks():
        yield


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory):
    """Returns the folder of a finished run of three epochs."""
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    assert trainer.main([*TINY, "--quality-every", "10", "--out", str(folder)]) == 0
    return folder


@pytest.fixture(scope="session")
def steady_run(tmp_path_factory):
    """Returns the folder of a finished run of recipe steady: two epochs, both measured."""
    folder = tmp_path_factory.mktemp("runs") / "steady"
    assert trainer.main(["--data", "digits", "--recipe", "steady", "--epochs", "2", "--z-dim", "10",
                         "--quality-every", "1", "--out", str(folder)]) == 0
    return folder


def settings_of(**changes):
    """Returns the settings of the post's run with changes."""
    sizes = "256" if changes.get("size", 28) in networks.TABLE["paper"].sizes else "listing"
    return Settings(**{"sizes": sizes, "alpha": 0.001, "beta1": 0.9, "order": "generator-first",
                       "real_label": 1.0, "blur": 0.0, "weights": "trained", "images": 6903,
                       "channels": 1, "data_source": "MNIST", "fingerprint": "", "environment": {},
                       **changes})


def change_settings(folder, **changes):
    """Changes values in a folder's settings.json. None removes a key."""
    path = folder / "settings.json"
    values = {**json.loads(path.read_text(encoding="utf-8")), **changes}
    path.write_text(json.dumps({key: value for key, value in values.items() if value is not None}),
                    encoding="utf-8")


@pytest.fixture
def run(tiny_run, tmp_path):
    """Returns a copy of tiny_run without checkpoints, with figures of quality of epochs 0 and 2."""
    folder = shutil.copytree(tiny_run, tmp_path / "run",
                             ignore=shutil.ignore_patterns("best-*", "checkpoint-*"))
    (folder / "quality.csv").write_text(
        "epoch,frechet,precision,recall\n0,1.9,0.0,nan\n2,0.8,0.25,0.5\n")
    return folder


@pytest.fixture(scope="session")
def long_run(tmp_path_factory):
    """Returns the folder of a run of 1000 epochs, whose pictures are all the same."""
    folder = tmp_path_factory.mktemp("runs") / "long"
    folder.mkdir()
    write_settings(folder, settings_of(epochs=1000))
    sample_grid(np.zeros((9, 1, 28, 28)), None, folder / "epoch-0000.png")
    for epoch in range(1, 1001):
        files.picture(folder, epoch).hardlink_to(folder / "epoch-0000.png")
    stream = np.random.default_rng(0)
    files.write_table(folder / "losses.csv", files.LOSS_COLUMNS, [
        (epoch, *np.exp(stream.normal([2, -7])), 5.0, *stream.random(2))
        for epoch in range(1, 1001)])
    page.write(open_run(folder))
    return folder


@pytest.fixture(scope="session", params=browsers.BROWSERS)
def browser_process(request, tmp_path_factory):
    browser = browsers.start(request.param, tmp_path_factory.mktemp(request.param))
    yield browser
    browser.close()


@pytest.fixture
def browser(browser_process):
    """Returns one of the three browsers. No script may have complained when the test ends."""
    yield browser_process
    assert browser_process.complaints() == []


@pytest.fixture(scope="session")
def small_zeros(tmp_path_factory):
    from drawing_page import make_small_zeros  # noqa: PLC0415 (it imports this file)

    return make_small_zeros(tmp_path_factory.mktemp("zeros"))


@pytest.fixture
def zeros(small_zeros):
    """Returns the folder of small untrained networks, with a play.html that opens quickly."""
    with small.networks():
        yield small_zeros


@pytest.fixture
def cli(capsys, tmp_path, monkeypatch):
    """Returns a function that runs trainer.py in an empty folder, as cli("--digit", "3").

    It returns (exit code, stdout, stderr).
    """
    monkeypatch.chdir(tmp_path)

    def call(*argv):
        try:
            code = trainer.main(list(argv))
        except SystemExit as stop:
            code = stop.code
        out, err = capsys.readouterr()
        return code, out, err

    return call


@pytest.fixture
def small_cli(cli):
    """Returns cli, with small networks."""
    with small.networks():
        yield cli


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Gives all tests of a browser, or of a file, to the same one of make test's processes."""
    from xdist.scheduler import LoadScopeScheduling  # noqa: PLC0415 (not needed with -p no:xdist)

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            file, _, test = nodeid.partition("::")
            return next((name for name in browsers.BROWSERS if name in test), file)

    return Scheduling(config, log)


def pytest_terminal_summary(terminalreporter):
    """Prints how many tests were skipped for each reason."""
    reasons = Counter(report.longrepr[2].removeprefix("Skipped: ")
                      for report in terminalreporter.stats.get("skipped", []))
    for reason, number in reasons.items():
        terminalreporter.write_line(f"left out, {number}: {reason}")
