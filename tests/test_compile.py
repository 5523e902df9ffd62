"""Compiling is announced, done once, kept on the disk, and can be interrupted at any time."""

import ctypes
import errno
import os
import shutil
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import numba
import pytest
from numba import types

import chainer_cpu
from chainer_cpu import CacheWarning, _compile

ROOT = Path(__file__).resolve().parents[1]


def _double(x):
    return 2 * x


def use():
    """Compiles a small function as a new process does. Returns whether this was announced."""
    told = []
    with chainer_cpu.before_compiling(lambda: told.append(True)):
        double = _compile.compiled(types.int64(types.int64))(_double)
        assert [double(21), double(21)] == [42, 42]
    return bool(told)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """Keeps compiled code in an empty folder. Returns the folder."""
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    _compile._warn.cache_clear()
    return tmp_path


def test_what_is_compiled_is_told_once_and_found_by_the_next(cache):
    assert [use(), use(), use()] == [True, False, False]


@pytest.mark.parametrize("suffix", ["nbi", "nbc"])
def test_broken_files_are_made_anew_with_one_warning(cache, suffix):
    """A power cut leaves files empty, cut short or full of zeros."""
    use()
    with pytest.warns(CacheWarning, match="broken, and is made anew") as caught:
        for broken in b"", None, bytes(1000):
            path, = cache.rglob(f"*.{suffix}")
            path.write_bytes(path.read_bytes()[:200] if broken is None else broken)
            assert use()
    assert len(caught) == 1
    assert not use()


def test_without_room_on_the_disk_all_goes_on_with_one_warning(cache, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(numba.core.caching.IndexDataCacheFile, "_save_data", full)
    with pytest.warns(CacheWarning, match="cannot be kept.*No space left") as caught:
        assert use() and use()
    assert len(caught) == 1


def test_code_is_compiled_anew_when_any_file_of_the_package_has_changed(cache, monkeypatch):
    use()
    copy = cache / "copy"
    shutil.copytree(ROOT / "chainer_cpu", copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(_compile, "__file__", str(copy / "_compile.py"))
    stamp = _compile._source_stamp.__wrapped__
    monkeypatch.setattr(_compile, "_source_stamp", stamp)
    assert not use()
    with open(copy / "_intrinsics.py", "a") as file:
        file.write("# changed\n")
    assert use()


def test_without_a_home_no_folder_is_made_and_code_is_not_kept(monkeypatch, tmp_path):
    """A container's user may have no home, in a folder that cannot be written to."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(_compile.os.path, "expanduser", lambda path: path)
    monkeypatch.setattr(numba.core.caching.InTreeCacheLocator, "ensure_cache_path", fail)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert use() and use()
    assert not list(tmp_path.iterdir())


def fail(*_):
    raise PermissionError(errno.EACCES, "Permission denied")


def test_an_interrupt_that_a_callback_swallows_is_raised_after_it():
    def interrupt():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), _compile._Interrupts():
        ctypes.CFUNCTYPE(None)(interrupt)()


INTERRUPTED = """
import os, signal, sys, time
import numpy as np
import chainer_cpu
from chainer_cpu import functions as F

def interrupt(number, frame):
    global begin
    begin = time.process_time()
    raise KeyboardInterrupt

signal.signal(signal.SIGINT, interrupt)
try:
    with chainer_cpu.before_compiling(lambda: print("compiling", flush=True)):
        x = np.ones((9, 9), np.float32)
        F.batch_normalization(F.linear(x, x), x[0], x[0])
    print("not interrupted")
except KeyboardInterrupt:
    print(time.process_time() - begin)
"""


@pytest.mark.skipif(os.name == "nt", reason="no SIGINT to one process on Windows")
def test_an_interrupt_while_compiling_stops_within_two_seconds(tmp_path):
    """The time of the process itself counts: the machine may be busy."""
    with subprocess.Popen(
            [sys.executable, "-c", INTERRUPTED], cwd=ROOT, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True,
            env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}) as process:
        assert process.stdout.readline() == "compiling\n"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
    assert (err, process.returncode) == ("", 0)
    assert float(out) < 2
