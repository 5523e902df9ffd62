"""A checkpoint comes back whole or not at all."""

import os
import pickle
import re
import time
import zipfile

import numpy as np
import pytest
import threadpoolctl

from lab.cli import patience
from lab.cli.version import version
from lab.runs import checkpoint, files
from lab.runs.checkpoint import CheckpointError
from lab.runs.files import replace_file


def arrays(value=1.0):
    return {"w": np.full((3, 4), value, np.float32), "epoch": np.array(7),
            "permutation": np.arange(5), "none": np.zeros((0, 4))}


def meta(epoch=7, iteration=0):
    return {"epoch": epoch, "iteration": iteration, "settings": {"alpha": 0.001, "data": "八 8×8"}}


def write(folder, epoch, value=1.0, iteration=0):
    checkpoint.write(folder, epoch, arrays(value), meta(epoch, iteration))


def rewrite(path, change):
    """Changes the contents of a checkpoint by change(contents), with a valid checksum."""
    with np.load(path) as file:
        contents = {name: file[name] for name in file.files}
    del contents["sha256"]
    change(contents)
    contents["sha256"] = np.frombuffer(checkpoint._digest(contents), np.uint8)
    with open(path, "wb") as file:
        np.savez(file, **contents)


def test_what_is_written_is_read(tmp_path):
    write(tmp_path, 7)
    (path,) = checkpoint.paths(tmp_path)
    found, about = checkpoint.read(path)
    assert {key: (value.dtype, value.shape, value.tobytes()) for key, value in found.items()} == {
        key: (value.dtype, value.shape, value.tobytes()) for key, value in arrays().items()}
    assert about == {**meta(), "format": checkpoint.FORMAT, "project": version()}


def test_the_same_state_makes_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write(tmp_path / name, 7)
    assert checkpoint.paths(tmp_path / "a")[0].read_bytes() == \
        checkpoint.paths(tmp_path / "b")[0].read_bytes()


def test_the_two_newest_are_kept(tmp_path):
    for epoch in (0, 10, 9990, 10000):
        write(tmp_path, epoch)
    assert [path.name for path in checkpoint.paths(tmp_path)] == [
        "checkpoint-10000.npz", "checkpoint-9990.npz"]
    assert not list(tmp_path.glob("*.tmp"))


def test_two_processes_that_write_a_file_at_once_leave_it_whole(tmp_path, monkeypatch):
    """plot.py page may write beside a run that writes its page itself."""
    path = tmp_path / "index.js"

    def slow(file):
        file.write(b"one's")
        with monkeypatch.context() as other:
            other.setattr(os, "getpid", lambda: 1)
            replace_file(path, lambda file: file.write(b"the other's"))
        assert path.read_bytes() == b"the other's"

    replace_file(path, slow)
    assert path.read_bytes() == b"one's" and list(tmp_path.iterdir()) == [path]


def held(times, monkeypatch):
    """Makes os.replace fail `times` times, as on Windows while a virus scanner reads the file."""
    def replace(source, target):
        calls.append(target)
        if len(calls) <= times:
            raise PermissionError(13, "Permission denied", str(target))
        return original(source, target)

    calls, original = [], os.replace
    monkeypatch.setattr(os, "replace", replace)


def test_a_file_that_others_hold_for_a_moment_is_replaced_all_the_same(tmp_path, monkeypatch):
    held(1, monkeypatch)
    write(tmp_path, 7)
    assert checkpoint.read(checkpoint.paths(tmp_path)[0])
    assert len(list(tmp_path.iterdir())) == 1


def test_a_file_that_others_hold_for_good_is_an_error_that_names_it(tmp_path, monkeypatch):
    held(1000, monkeypatch)
    monkeypatch.setattr(patience, "PATIENCE", 0.2)
    began = time.monotonic()
    with pytest.raises(OSError, match="Permission denied.*checkpoint-0007.npz"):
        write(tmp_path, 7)
    assert 0.2 < time.monotonic() - began < 2
    assert not list(tmp_path.iterdir())  # no half file is left


def test_a_log_that_others_hold_for_a_moment_gets_its_row(tmp_path, monkeypatch):
    path, calls, original = tmp_path / "losses.csv", [], open
    files.write_table(path, ("epoch",), [])

    def held_once(name, mode="r", **named):
        calls.append(name)
        if len(calls) == 1:
            raise PermissionError(13, "Permission denied", str(name))
        return original(name, mode, **named)

    monkeypatch.setattr("builtins.open", held_once)
    files.append_row(path, (1,))
    monkeypatch.undo()
    assert path.read_text() == "epoch\n1\n"


def test_the_newest_is_the_one_with_the_most_epochs_inside(tmp_path):
    write(tmp_path, 20, value=20)
    write(tmp_path, 10, value=10)  # written later, as by a copy of the folder
    found, about = checkpoint.read_newest(tmp_path, pytest.fail)
    assert about["epoch"] == 20 and found["w"][0, 0] == 20


def test_one_from_before_there_was_an_average_begins_it_as_the_generator(tmp_path):
    state = {"generator/w": np.arange(3.0), "discriminator/w": np.ones(2), "epoch": np.array(7)}
    checkpoint.write(tmp_path, 7, state, meta())
    found, _ = checkpoint.read_newest(tmp_path, pytest.fail)
    assert found.keys() == {*state, "generator-average/w", "averaged"}
    assert np.array_equal(found["generator-average/w"], state["generator/w"])
    assert found["averaged"] == 0


def damage(kind, data, random):
    if kind == "empty":
        return b""
    if kind == "truncated":
        return data[:int(len(data) * random.uniform(0.01, 0.99))]
    if kind == "flipped":
        data = bytearray(data)
        data[random.integers(len(data))] ^= 1 << random.integers(8)
        return bytes(data)
    return b"<html>not found</html>"


@pytest.mark.parametrize("kind", ["empty", "truncated", "flipped", "web page"])
@pytest.mark.parametrize("seed", range(20))
def test_a_damaged_file_is_refused_or_harmless(tmp_path, kind, seed):
    """A flipped bit can hit a spot that nobody reads (a date in the zip): then nothing is lost."""
    write(tmp_path, 7)
    (path,) = checkpoint.paths(tmp_path)
    path.write_bytes(damage(kind, path.read_bytes(), np.random.default_rng(seed)))
    try:
        found, about = checkpoint.read(path)
    except CheckpointError:
        return
    assert kind == "flipped" and about == {**meta(), "format": 1, "project": version()}
    assert all(found[key].tobytes() == value.tobytes() for key, value in arrays().items())


def test_a_damaged_newest_is_put_aside_and_the_one_before_is_used(tmp_path):
    write(tmp_path, 10, value=10)
    write(tmp_path, 20, value=20)
    newest = tmp_path / "checkpoint-0020.npz"
    newest.write_bytes(newest.read_bytes()[:-100])
    damaged = newest.read_bytes()
    warnings = []
    found, about = checkpoint.read_newest(tmp_path, warnings.append)
    assert about["epoch"] == 10 and found["w"][0, 0] == 10
    (warning,) = warnings
    assert "checkpoint-0020.npz" in warning and "checkpoint-0020.damaged" in warning
    assert (tmp_path / "checkpoint-0020.damaged").read_bytes() == damaged


def test_when_all_are_damaged_each_is_listed_and_none_touched(tmp_path):
    write(tmp_path, 10)
    write(tmp_path, 20)
    for path in checkpoint.paths(tmp_path):
        path.write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"checkpoint-0020\.npz .*checkpoint-0010\.npz "):
        checkpoint.read_newest(tmp_path, pytest.fail)
    assert len(checkpoint.paths(tmp_path)) == 2


def test_another_format_is_named_and_left_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "FORMAT", 9)
    write(tmp_path, 20)
    monkeypatch.undo()
    with pytest.raises(CheckpointError, match="has format 9, this version reads 1"):
        checkpoint.read_newest(tmp_path, pytest.fail)
    assert checkpoint.paths(tmp_path)


class Bomb:
    def __reduce__(self):
        return pytest.fail, ("a pickle was executed",)


def test_a_pickle_is_refused_and_not_executed(tmp_path):
    with zipfile.ZipFile(tmp_path / "checkpoint-0001.npz", "w") as file:
        file.writestr("meta.npy", pickle.dumps(Bomb()))
    bomb = np.empty(1, object)
    bomb[0] = Bomb()
    with open(tmp_path / "checkpoint-0002.npz", "wb") as file:
        np.savez(file, meta=bomb, sha256=bomb)
    with open(tmp_path / "checkpoint-0003.npz", "wb") as file:
        pickle.dump(Bomb(), file)
    for path in checkpoint.paths(tmp_path):
        with pytest.raises(CheckpointError):
            checkpoint.read(path)


@pytest.mark.parametrize("change, message", [
    (lambda a: a.pop("w"), "w is missing"),
    (lambda a: a.update(x=np.zeros(1)), "x is not expected"),
    (lambda a: a.update(w=np.zeros((1, 4), np.float32)), "expected float32"),
    (lambda a: a.update(w=np.zeros((3, 4))), "w is float64"),
])
def test_arrays_must_have_the_expected_names_shapes_and_dtypes(change, message):
    found = arrays()
    checkpoint.check(found, arrays())
    change(found)
    with pytest.raises(CheckpointError, match=message):
        checkpoint.check(found, arrays())


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_arrays_must_be_finite(value):
    found = arrays()
    checkpoint.check_finite(found)
    found["w"][1, 2] = value
    with pytest.raises(CheckpointError, match="w holds NaN or infinity"):
        checkpoint.check_finite(found)


def test_a_full_disk_is_reported_with_the_size_and_loses_nothing(tmp_path, monkeypatch):
    write(tmp_path, 10)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def full(file, **_):
        file.write(b"half of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match=r"No space left.*needs 0 MB.*checkpoint-0020"):
        write(tmp_path, 20)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_the_environment_names_what_bits_depend_on():
    found = checkpoint.environment()
    assert found["numpy"] == np.__version__
    # macOS's own BLAS, Accelerate, is unknown to threadpoolctl.
    known = any(info["user_api"] == "blas" for info in threadpoolctl.threadpool_info())
    assert bool(re.search(r", [0-9]+ threads?$", found["blas"])) == known
