"""Whatever happens to a run, nothing is lost: it is resumed and ends with the same bytes.

docs/faults.md says which row of the list of faults is tested where.
"""

import os
import random
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import faults
import numpy as np
import pytest
from faults import Calls, call, go_on, messages, result, send_at

import trainer
from lab.cli.version import version
from lab.images import source
from lab.images.dataset import Images
from lab.runs import checkpoint, files
from lab.runs.opened import open_run
from lab.training import run

resource = pytest.importorskip("resource", reason="these tests fork processes (POSIX)")

# Python warns of forks beside threads. The children start threads of their own.
pytestmark = [pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
              pytest.mark.usefixtures("small_networks")]

SETTINGS = ["--data", "digits", "--epochs", "2", "--batch-size", "60", "--z-dim", "4",
            "--checkpoint-every", "1", "--quality-every", "0"]


def argv(folder):
    return [*SETTINGS, "--out", folder]


@pytest.fixture(scope="module")
def golden(small_networks, tmp_path_factory):
    """Returns the result() of a run without a fault, and the names of its calls that write."""
    folder = tmp_path_factory.mktemp("golden")
    # Once in this process: what is compiled and loaded here need not be in each fork.
    assert trainer.main([str(part) for part in argv(folder / "warm")]) == 0
    record = folder / "calls"
    assert call(argv(folder / "run"), Calls(record=record)) == 0
    golden = result(folder / "run")
    assert golden == result(folder / "warm")
    golden_calls = record.read_text().splitlines()
    return golden, golden_calls


def chosen(calls, every):
    """Returns the numbers of all calls that are no writes, and of some writes to each file.

    These are the first, the last and every `every`-th.
    """
    numbers = []
    for n, name in enumerate(calls, 1):
        place = [m for m, other in enumerate(calls, 1) if other == name].index(n)
        last = name not in calls[n:]
        if not name.startswith("write") or place == 0 or last or place % every == 0:
            numbers.append(n)
    return numbers


def finished(folder, golden):
    assert result(folder) == golden
    assert not list(Path(folder).glob("*.tmp"))


# -- killed, or refused, at each call that writes ------------------------------------------------

def crash_at(n, spoil, folder, golden):
    log = folder.with_suffix(".log")
    code = call(argv(folder), Calls(n, spoil), output=log)
    if spoil == "kill":
        assert code == faults.KILLED
    else:
        message = log.read_text().splitlines()[-1]
        assert code == 1 and message.startswith("trainer.py: error: "), (n, message)
        assert os.strerror(getattr(faults.errno, spoil)) in message and str(folder) in message
        assert "Traceback" not in log.read_text()
    for path in checkpoint.paths(folder):
        checkpoint.read(path)  # raises unless it is whole
    assert go_on(argv(folder), folder) == 0
    finished(folder, golden)
    shutil.rmtree(folder)


def one_of_each_kind(calls):
    """Returns the numbers of the last call of each kind on each kind of file."""
    kinds = {}
    for n, name in enumerate(calls, 1):
        kind, file = name.split()
        kinds[kind, "".join(c for c in file if not c.isdigit())] = n
    return sorted(kinds.values())


@pytest.mark.parametrize("first, spoil", [(0, "kill"), (1, "ENOSPC"), (2, "EROFS")])
def test_a_run_that_breaks_off_at_a_call_of_some_kind_is_resumed_exactly(golden, tmp_path, first,
                                                                         spoil):
    """Takes a third of the kinds, each in one way; make test-faults takes every call."""
    files, calls = golden
    for n in one_of_each_kind(calls)[3 * first + 1::9]:
        crash_at(n, spoil, tmp_path / str(n), files)


@pytest.mark.faults
@pytest.mark.parametrize("spoil, every", [("kill", 60), ("ENOSPC", 250), ("EIO", 500)])
def test_a_run_that_breaks_off_at_any_call_is_resumed_exactly(golden, tmp_path, spoil, every):
    files, calls = golden
    for n in chosen(calls, every):
        crash_at(n, spoil, tmp_path / str(n), files)


@pytest.mark.faults
def test_a_resumed_run_that_breaks_off_again_and_again_is_resumed_exactly(golden, tmp_path):
    """Each attempt gets a hundred calls further than the one before."""
    files, calls = golden
    folder = tmp_path / "run"
    for attempt in range(1, 60):
        code = go_on(argv(folder), folder, Calls(100 * attempt))
        if code == 0:
            break
        assert code == faults.KILLED
    assert attempt > 10
    finished(folder, files)


# -- killed from outside -------------------------------------------------------------------------

def kill_at_random(folder, command, times, seed, longest):
    clock = random.Random(seed)
    for _ in range(times):
        pid = faults.start(command, lambda: os.setpgid(0, 0))
        time.sleep(clock.uniform(0, longest))
        os.kill(pid, signal.SIGKILL)
        faults.wait(pid)
        if checkpoint.paths(folder):
            command = ["--resume", "--out", folder]
    assert call(command) == 0


def test_killed_five_times_at_random_moments(golden, tmp_path):
    kill_at_random(tmp_path / "run", argv(tmp_path / "run"), 5, seed=1, longest=0.5)
    finished(tmp_path / "run", golden[0])


@pytest.mark.faults
@pytest.mark.parametrize("seed", range(5))
def test_killed_ten_times_at_random_moments(golden, tmp_path, seed):
    kill_at_random(tmp_path / "run", argv(tmp_path / "run"), 10, seed, longest=0.7)
    finished(tmp_path / "run", golden[0])


@pytest.mark.faults
def test_the_real_script_killed_twenty_times_leaves_the_bytes_of_a_run_left_alone(tmp_path):
    """Each time, SIGKILL ends the script somewhere else, and --resume goes on."""
    start = ["--epochs", "12", "--data", "digits", "--out"]
    assert faults.script([*start, tmp_path / "alone"]).wait() == 0
    folder, clock, command = tmp_path / "killed", random.Random(5), [*start, tmp_path / "killed"]
    for _ in range(20):
        process = faults.script(command)
        time.sleep(clock.uniform(0.5, 5))
        process.kill()
        process.wait()
        if checkpoint.paths(folder):
            command = ["--resume", "--out", folder]
    assert faults.script(command).wait() == 0
    finished(folder, result(tmp_path / "alone"))


# -- signals -------------------------------------------------------------------------------------

CODES = [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
PHASES = {"first step": (trainer.Trainer, "update", 1),
          "last of epoch": (trainer.Trainer, "update", 2),
          "first of next": (trainer.Trainer, "update", 3), "drawing": (trainer, "sample_grid", 3),
          "log": (files, "append_row", 1), "checkpoint": (checkpoint, "write", 2)}
# Each phase with one signal, each signal in two phases; make test-faults takes all of them.
SIGNALS = [pytest.param(*code, *phase, id=f"{name}-{code[1]}",
                        marks=() if i % len(CODES) == j else pytest.mark.faults)
           for i, (name, phase) in enumerate(PHASES.items()) for j, code in enumerate(CODES)]


@pytest.mark.parametrize("number, code, target, name, at", SIGNALS)
def test_a_signal_while_training_saves_and_says_how_to_resume(golden, tmp_path, number, code,
                                                              target, name, at):
    folder, log = tmp_path / "with space", tmp_path / "log"
    assert call(argv(folder), send_at(target, name, [number], at), log) == code
    said = log.read_text()
    assert f"python trainer.py --resume --out '{folder}'" in said and "Traceback" not in said
    assert call(["--resume", "--out", folder]) == 0
    finished(folder, golden[0])


def test_a_run_that_make_started_is_gone_on_with_by_make(golden, tmp_path, monkeypatch):
    folder, log = tmp_path / "with space", tmp_path / "log"
    monkeypatch.setenv("MAKELEVEL", "1")
    monkeypatch.setenv("PWD", os.getcwd())
    stop = send_at(trainer.Trainer, "update", [signal.SIGINT])
    assert call(argv(folder), stop, log) == 130
    advice = next(line for line in log.read_text().splitlines() if "--resume" in line)
    *make, flags = shlex.split(advice)
    assert make == ["make", "train"]
    assert shlex.split(flags.removeprefix("ARGS=")) == ["--resume", "--out", str(folder)]


def test_a_run_under_nohup_outlives_its_terminal(golden, tmp_path):
    def nohup():
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        send_at(trainer.Trainer, "update", [signal.SIGHUP])()

    assert call(argv(tmp_path / "run"), nohup) == 0
    finished(tmp_path / "run", golden[0])


@pytest.mark.parametrize("number, code", CODES)
def test_a_signal_before_training_stops_at_once_and_leaves_nothing(tmp_path, number, code, golden):
    folder, log = tmp_path / "run", tmp_path / "log"
    assert call(argv(folder), send_at(source, "load", [number]), log) == code
    assert not folder.exists()
    (message,) = messages(log)
    assert "interrupted" in message


def test_a_signal_while_a_checkpoint_is_loaded_loses_nothing(golden, tmp_path):
    folder = tmp_path / "run"
    call(argv(folder), send_at(trainer.Trainer, "update", [signal.SIGINT], 2))
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert call(["--resume", "--out", folder], send_at(checkpoint, "read", [signal.SIGINT])) == 130
    assert {path.name: path.read_bytes() for path in folder.iterdir()
            if path.name != ".lock"} == {k: v for k, v in before.items() if k != ".lock"}
    assert call(["--resume", "--out", folder]) == 0
    finished(folder, golden[0])


@pytest.mark.parametrize("times", [2, 10])
def test_impatient_ctrl_c_leaves_at_once_with_the_last_checkpoint_intact(golden, tmp_path, times):
    folder = tmp_path / "run"
    assert call(argv(folder), send_at(checkpoint, "write", [signal.SIGINT] * times, 2)) == 130
    assert [path.name for path in checkpoint.paths(folder)] == ["checkpoint-0000.npz"]
    assert call(["--resume", "--out", folder]) == 0
    finished(folder, golden[0])


def test_stopped_after_every_single_iteration_and_resumed(golden, tmp_path):
    """An epoch has two iterations: the run stops in the midst and at the end of epochs."""
    folder = tmp_path / "run"
    stop = send_at(trainer.Trainer, "update", [signal.SIGTERM])
    codes = [call(argv(folder), stop)]
    while codes[-1] and len(codes) < 10:
        codes.append(call(["--resume", "--out", folder], stop))
    # The signal in the last iteration finds the run complete.
    assert codes == [143, 143, 143, 0]
    finished(folder, golden[0])


def test_a_sleeping_laptop_is_harmless(golden, tmp_path):
    folder = tmp_path / "run"
    pid = faults.start(argv(folder))
    time.sleep(0.3)
    os.kill(pid, signal.SIGSTOP)
    time.sleep(0.5)
    os.kill(pid, signal.SIGCONT)
    assert faults.wait(pid) == 0
    finished(folder, golden[0])


# -- negative controls ---------------------------------------------------------------------------

@pytest.mark.parametrize("name", ["random/keys", "random/position", "iteration", "permutation",
                                  "adam_generator/dc4/W/m", "discriminator/bn1/avg_mean", "z"])
def test_the_comparison_notices_what_a_checkpoint_would_have_lost(golden, tmp_path, name):
    folder = tmp_path / "run"
    call(argv(folder), send_at(trainer.Trainer, "update", [signal.SIGINT], 1))
    path = checkpoint.paths(folder)[0]
    arrays, meta = checkpoint.read(path)
    assert arrays["iteration"] == 1
    arrays[name] = arrays[name][::-1].copy() if arrays[name].ndim else np.array(0)
    meta.pop("format")
    checkpoint.write(folder, 0, arrays, meta)
    assert call(["--resume", "--out", folder]) == 0
    assert result(folder) != golden[0]


# -- damaged and strange checkpoints -------------------------------------------------------------

@pytest.fixture(scope="module")
def original(golden, tmp_path_factory):
    """Returns a run stopped after its first epoch, with checkpoints of epochs 0 and 1."""
    folder = tmp_path_factory.mktemp("stopped") / "run"
    assert call(argv(folder), send_at(trainer.Trainer, "update", [signal.SIGINT], 2)) == 130
    return folder


@pytest.fixture
def stopped(original, tmp_path):
    """Returns a copy of original."""
    return shutil.copytree(original, tmp_path / "run")


def damages(path, seed):
    data = path.read_bytes()
    for i in range(20):
        yield data[:len(data) * i // 20]
    for i in range(10):
        flipped = bytearray(data)
        flipped[random.Random(seed + i).randrange(len(data))] ^= 0xFF
        yield bytes(flipped)


def test_a_truncated_newest_checkpoint_is_put_aside_and_the_run_ends_the_same(golden, stopped,
                                                                              tmp_path):
    path, log = checkpoint.paths(stopped)[0], tmp_path / "log"
    path.write_bytes(path.read_bytes()[:10**5])
    assert call(["--resume", "--out", stopped], output=log) == 0
    assert log.read_text().count("warning: a checkpoint is damaged") == 1
    assert path.with_suffix(".damaged").stat().st_size == 10**5
    finished(stopped, golden[0])


@pytest.mark.faults
def test_a_checkpoint_damaged_anywhere_never_changes_the_result(golden, stopped, tmp_path):
    for i, data in enumerate(damages(checkpoint.paths(stopped)[0], 1)):
        folder = tmp_path / f"copy{i}"
        shutil.copytree(stopped, folder)
        checkpoint.paths(folder)[0].write_bytes(data)
        assert call(["--resume", "--out", folder]) == 0
        finished(folder, golden[0])
        shutil.rmtree(folder)


def test_when_all_checkpoints_are_bad_each_is_named_and_nothing_deleted(stopped, tmp_path):
    for path in checkpoint.paths(stopped):
        path.write_bytes(b"bad")
    before = {path.name: path.read_bytes() for path in stopped.iterdir()}
    log = tmp_path / "log"
    assert call(["--resume", "--out", stopped], output=log) == 1
    (message,) = messages(log)
    assert "checkpoint-0000.npz" in message and "checkpoint-0001.npz" in message
    assert {path.name: path.read_bytes() for path in stopped.iterdir()} == {
        **before, ".lock": (stopped / ".lock").read_bytes()}


def tamper(folder, change):
    """Writes the newest checkpoint anew, changed and with a valid checksum; removes the other."""
    newest, *others = checkpoint.paths(folder)
    arrays, meta = checkpoint.read(newest)
    for path in others:
        path.unlink()
    meta.pop("format")
    change(arrays, meta)
    checkpoint.write(folder, 1, arrays, meta)


@pytest.mark.parametrize("change, message", [
    (lambda arrays, meta: arrays.pop("generator/l1/W"), "generator/l1/W is missing"),
    (lambda arrays, meta: arrays.update(surplus=np.zeros(1)), "surplus is not expected"),
    (lambda arrays, meta: arrays.update({"generator/bn1/gamma": np.ones((1, 64), np.float32)}),
     r"expected float32 (64,)"),
    (lambda arrays, meta: arrays.update({"generator/bn1/gamma": np.ones(512)}), "is float64"),
    (lambda arrays, meta: arrays["generator/l1/W"].fill(np.nan), "NaN"),
    (lambda arrays, meta: arrays.update({"random/position": np.array(10**6)}), "out of range"),
    (lambda arrays, meta: arrays.update(epoch=np.array(-1)), "out of range"),
    (lambda arrays, meta: arrays.update(losses=arrays["losses"][:, :4]), "expected float64 (1, 6)"),
    (lambda arrays, meta: arrays.update(quality=np.zeros((1, 3))), "expected float64 (1, 8)"),
    (lambda arrays, meta: meta["settings"].update(epochs="two"), "epochs is 'two'"),
])
def test_a_checkpoint_that_does_not_fit_is_refused(stopped, tmp_path, change, message):
    tamper(stopped, change)
    log = tmp_path / "log"
    assert call(["--resume", "--out", stopped], output=log) == 1
    (said,) = messages(log)
    assert message in said


# -- resuming ------------------------------------------------------------------------------------

def test_resuming_where_nothing_was_saved_is_refused(cli, tmp_path):
    (tmp_path / "empty").mkdir()
    for out in ("empty", "missing"):
        code, _, err = cli("--resume", "--out", out)
        assert code == 1 and "no checkpoint" in err and err.count("\n") == 1
    assert [path.name for path in tmp_path.rglob("*")] == ["empty"]


def test_changed_settings_are_listed_and_refused(stopped, cli):
    code, _, err = cli("--resume", "--out", str(stopped), "--alpha", "0.01", "--digit", "3",
                       "--maps", "comment")
    assert code == 2 and err.count("\n") == 1
    for change in ("--alpha 0.001 -> 0.01", "--digit 0 -> 3", "--maps listing -> comment"):
        assert change in err


def test_other_images_are_refused(stopped, cli, monkeypatch):
    real = source.load("digits")
    other = Images(real.pixels[::-1].copy(), real.labels[::-1], real.source)
    monkeypatch.setattr(source, "load", lambda *_: other)
    code, _, err = cli("--resume", "--out", str(stopped))
    assert code == 2 and "--data" in err and "178" in err and err.count("\n") == 1


def test_a_complete_run_says_so_and_more_epochs_continue_it_exactly(cli, tmp_path):
    cli(*SETTINGS, "--out", "long", "--epochs", "3")
    cli(*SETTINGS, "--out", "grown")
    before = result(tmp_path / "grown")
    code, out, _ = cli("--resume", "--out", "grown")
    assert code == 0 and "already complete" in out and result(tmp_path / "grown") == before
    assert cli("--resume", "--out", "grown", "--epochs", "3")[0] == 0
    assert result(tmp_path / "grown") == result(tmp_path / "long")


def test_networks_missing_after_a_kill_at_the_very_end_are_written_by_resume(golden, tmp_path):
    folder = tmp_path / "run"
    call(argv(folder))
    (folder / "generator.npz").unlink()
    assert call(["--resume", "--out", folder]) == 0
    finished(folder, golden[0])


def test_a_log_that_was_edited_or_cut_is_written_anew(golden, stopped):
    log = stopped / "losses.csv"
    log.write_bytes(log.read_bytes() + b"2,1.0,1.0,1.0,0.5,0.5\r\n\n3,0.1")
    assert call(["--resume", "--out", stopped]) == 0
    finished(stopped, golden[0])


def test_a_picture_newer_than_the_checkpoint_is_drawn_again(golden, stopped):
    (stopped / "epoch-0002.png").write_bytes(b"half a pic")
    assert call(["--resume", "--out", stopped]) == 0
    finished(stopped, golden[0])


def test_file_times_do_not_matter(golden, stopped):
    for i, path in enumerate(checkpoint.paths(stopped)):
        os.utime(path, (i, i))
    assert call(["--resume", "--out", stopped]) == 0
    finished(stopped, golden[0])


def test_another_machine_is_one_warning(golden, stopped, tmp_path):
    def elsewhere():
        checkpoint.blas = lambda: "another BLAS, 64 threads"
    log = tmp_path / "log"
    assert call(["--resume", "--out", stopped], elsewhere, log) == 0
    (warning,) = [line for line in log.read_text().splitlines() if "warning" in line]
    assert "not bit-exact" in warning and "is another BLAS, 64 threads" in warning


def test_another_version_of_the_project_is_one_warning(golden, stopped, tmp_path):
    def newer():
        checkpoint.version = lambda: "9.9.0"
    log = tmp_path / "log"
    assert call(["--resume", "--out", stopped], newer, log) == 0
    (warning,) = [line for line in log.read_text().splitlines() if "warning" in line]
    assert "not bit-exact" in warning and f"project was {version()}, is 9.9.0" in warning


def test_a_checkpoint_of_before_there_were_versions_goes_on_to_the_same_bytes(golden, stopped,
                                                                             tmp_path):
    """Such a checkpoint names no size, processes, version or columns."""
    def older(arrays, meta):
        arrays["quality"] = arrays["quality"][:, :7]  # without the distance of the other weights
        del meta["project"], meta["columns"]
        for name in "size", "real_figures":
            del meta["settings"][name]
        for name in "project", "processes":
            del meta["settings"]["environment"][name]

    tamper(stopped, older)
    log = tmp_path / "log"
    assert call(["--resume", "--out", stopped], output=log) == 0
    assert f"project was before 1.0.0, is {version()}" in log.read_text()
    finished(stopped, golden[0])


def test_a_run_measured_with_fewer_figures_goes_on_with_all_of_them(tmp_path):
    measuring = [*SETTINGS, "--quality-every", "1", "--out", tmp_path / "run"]
    assert call(measuring, send_at(trainer.Trainer, "update", [signal.SIGINT], 2)) == 130

    def fewer(arrays, meta):
        meta["columns"]["quality"] = meta["columns"]["quality"][:3]
        arrays["quality"] = arrays["quality"][:, :3]

    tamper(tmp_path / "run", fewer)
    assert call(["--resume", "--out", tmp_path / "run"]) == 0
    quality = open_run(tmp_path / "run").quality()
    assert np.isnan(quality["recall"]).tolist() == [True, True, False]
    assert np.isfinite(quality["precision"]).all()


def test_measuring_quality_changes_nothing_and_is_resumed_exactly(golden, tmp_path):
    measuring = [*SETTINGS, "--quality-every", "1", "--out"]
    assert call([*measuring, tmp_path / "alone"]) == 0
    alone = result(tmp_path / "alone")
    assert alone["quality.csv"].count(b"\n") == 4  # the columns and epochs 0, 1 and 2
    assert alone["generator.npz"] == golden[0]["generator.npz"]
    folder = tmp_path / "stopped"
    assert call([*measuring, folder], send_at(trainer.Trainer, "update", [signal.SIGINT], 3)) == 130
    assert call(["--resume", "--out", folder]) == 0
    assert result(folder) == alone


# -- two runs in one folder ----------------------------------------------------------------------

def test_a_second_run_in_the_folder_is_refused_and_a_killed_one_leaves_no_lock(golden, tmp_path,
                                                                               cli):
    folder = tmp_path / "run"
    pid = faults.start([*argv(folder), "--epochs", "10000"])
    while not checkpoint.paths(folder):
        time.sleep(0.05)
    for second in (["--resume"], [*SETTINGS, "--overwrite"]):
        code, _, err = cli(*second, "--out", str(folder))
        assert code == 1 and err.count("\n") == 1
        assert f"process {pid} on {socket.gethostname()}" in err
    os.kill(pid, signal.SIGKILL)
    faults.wait(pid)
    assert cli(*SETTINGS, "--out", str(folder), "--overwrite")[0] == 0
    finished(folder, golden[0])


def test_a_folder_behind_a_link_is_the_same_folder(golden, tmp_path, cli):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert cli(*SETTINGS, "--out", "link")[0] == 0
    finished(tmp_path / "real", golden[0])
    assert cli(*SETTINGS, "--out", "real")[0] == 2


# -- full disk, lost folder, no memory, no terminal ----------------------------------------------

def test_a_disk_too_small_is_found_before_the_first_epoch(tmp_path, cli, monkeypatch):
    monkeypatch.setattr(trainer.Trainer, "update", lambda *_: pytest.fail("trained"))
    usage = shutil.disk_usage(tmp_path)._replace(free=10**5)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    code, _, err = cli(*SETTINGS)
    assert code == 1 and "No space left" in err and "MB (result)" in err and err.count("\n") == 1


def test_a_file_size_limit_at_the_trial_write_names_file_and_need(golden, tmp_path):
    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (10**5, 10**5))
    log = tmp_path / "log"
    assert call(argv(tmp_path / "run"), limit, log) == 1
    last = log.read_text().splitlines()[-1]
    assert "File too large" in last and "needs" in last and "checkpoint-0000.npz" in last
    assert not checkpoint.paths(tmp_path / "run")


@pytest.mark.parametrize("target, name, at", [(trainer, "sample_grid", 4),
                                              (files, "append_row", 1),
                                              (checkpoint, "write", 2)],
                         ids=["picture", "log", "checkpoint"])
def test_a_folder_that_vanishes_is_an_error_and_never_a_success(golden, tmp_path, target, name, at):
    folder, log = tmp_path / "run", tmp_path / "log"

    def vanish():
        original, calls = getattr(target, name), []

        def wrapper(*args, **kwargs):
            calls.append(None)
            if len(calls) == at:
                folder.rename(tmp_path / "elsewhere")
            return original(*args, **kwargs)
        setattr(target, name, wrapper)

    assert call(argv(folder), vanish, log) == 1
    assert "No such file" in log.read_text().splitlines()[-1]
    (tmp_path / "elsewhere").rename(folder)
    assert call(["--resume", "--out", folder]) == 0
    finished(folder, golden[0])


def test_out_of_memory_is_one_line_and_the_checkpoint_survives(golden, tmp_path):
    folder, log = tmp_path / "run", tmp_path / "log"

    def starve():
        original, calls = trainer.Trainer.update, []

        def update(self, x, z):
            calls.append(None)
            if len(calls) == 3:
                raise MemoryError
            return original(self, x, z)
        trainer.Trainer.update = update

    assert call(argv(folder), starve, log) == 1
    assert "out of memory" in log.read_text() and "--batch-size" in log.read_text()
    assert call(["--resume", "--out", folder]) == 0
    finished(folder, golden[0])


def test_a_limit_on_memory_is_one_line_too(golden, tmp_path):
    log = tmp_path / "log"

    def limit():
        def load(*_):
            with open("/proc/self/statm") as file:
                now = int(file.read().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (now + 2**26, now + 2**26))
            x = np.zeros((10**6, 1, 28, 28), np.uint8)
            return Images(x, np.zeros(len(x)), "too many")
        source.load = load

    if not Path("/proc/self/statm").exists():
        pytest.skip("reads /proc")
    assert call(argv(tmp_path / "run"), limit, log) == 1
    (message,) = messages(log)
    assert "out of memory" in message


def test_a_step_size_that_blows_up_stops_by_itself_and_keeps_a_finite_checkpoint(cli, tmp_path):
    code, _, err = cli(*SETTINGS, "--alpha", "1e30", "--epochs", "20")
    assert code == 1 and "of epoch" in err.splitlines()[-1]
    for path in checkpoint.paths(tmp_path / "result"):
        arrays, _ = checkpoint.read(path)
        checkpoint.check_finite(arrays)


@pytest.mark.parametrize("where", ["loss", "weight"])
def test_nan_stops_the_run_before_a_good_checkpoint_is_overwritten(golden, tmp_path, where):
    folder, log = tmp_path / "run", tmp_path / "log"

    def poison():
        original, calls = trainer.Trainer.update, []

        def update(self, x, z):
            calls.append(None)
            if len(calls) == 4 and where == "loss":
                x = x * np.nan
            losses = original(self, x, z)
            if len(calls) == 4 and where == "weight":
                self.gen.dc1.W.array[0, 0] = np.inf
            return losses
        trainer.Trainer.update = update

    assert call(argv(folder), poison, log) == 1
    last = log.read_text().splitlines()[-1]
    assert "iteration 2 of epoch 2" in last
    assert ("loss_dis is nan" if where == "loss" else "generator/dc1/W") in last
    assert "nan" not in (folder / "losses.csv").read_text()
    assert call(["--resume", "--out", folder]) == 0
    finished(folder, golden[0])


def test_a_closed_terminal_or_pipe_does_not_stop_the_training(golden, tmp_path):
    folder = tmp_path / "run"

    def close():
        reader, writer = os.pipe()
        os.close(reader)
        os.dup2(writer, 1)
        os.dup2(writer, 2)
    assert call(argv(folder), close) == 0
    finished(folder, golden[0])


def test_the_script_piped_into_head_ends_well(tmp_path):
    folder = tmp_path / "run"
    process = subprocess.Popen(
        [sys.executable, faults.HERE / "trainer.py", *SETTINGS, "--epochs", "1", "--out", folder],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, "LANG": "C", "PYTHONIOENCODING": "ascii"})
    process.stdout.readline()
    process.stdout.close()
    err = process.stderr.read().decode()
    process.stderr.close()
    assert process.wait() == 0, err
    assert "Error" not in err and "Traceback" not in err
    assert (folder / "epoch-0001.png").exists() and (folder / "generator.npz").exists()


# -- long runs -----------------------------------------------------------------------------------

@pytest.mark.faults
def test_memory_files_threads_and_time_stay_flat_over_a_thousand_epochs(tmp_path):
    """Runs the loop, log, pictures and checkpoints of 1000 epochs, without the arithmetic."""
    seen = []

    def cheap():
        def update(self, x, z):
            self.prob_real = self.prob_generated = 0.5
            return 1.0, 1.0
        trainer.Trainer.update = update
        record = run.Run.record

        def measured(self, means, seconds):
            begun = time.perf_counter()
            record(self, means, seconds)
            epoch = self.trainer.epoch
            with open("/proc/self/statm") as file:
                pages = int(file.read().split()[1])
            seen.append((time.perf_counter() - begun, pages, len(os.listdir("/proc/self/fd")),
                         threading.active_count()))
            if epoch == 1000:
                np.save(tmp_path / "seen.npy", np.array(seen))
        run.Run.record = measured

    if not Path("/proc/self/statm").exists():
        pytest.skip("reads /proc")
    assert call(["--data", "digits", "--epochs", "1000", "--out", tmp_path / "run"], cheap) == 0
    seconds, pages, handles, threads = np.load(tmp_path / "seen.npy").T
    assert (pages[-1] - pages[49]) * resource.getpagesize() < 20e6
    assert handles[-1] == handles[9] and threads[-1] == threads[9]
    assert np.median(seconds[-200:]) < 1.5 * np.median(seconds[50:250])
    assert len(list((tmp_path / "run").glob("epoch-*.png"))) == 1001


def test_the_same_bytes_whatever_the_hash_seed_and_the_folder(tmp_path):
    folders = []
    for value in "1", "2":
        folders.append(tmp_path / value)
        folders[-1].mkdir()
        process = faults.script([*SETTINGS, "--epochs", "1", "--out", "run"], cwd=folders[-1],
                                env={**os.environ, "PYTHONHASHSEED": value})
        assert process.wait() == 0
    a, b = (result(folder / "run") for folder in folders)
    assert a == b
