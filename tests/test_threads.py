"""How many threads compute, and what they cost where there are fewer processors."""

import os
import subprocess
import sys
from pathlib import Path

import joblib
import numpy as np
import pytest

import chainer_cpu
import plot
from chainer_cpu import SettingError, _threads
from chainer_cpu import functions as F
from lab.runs import checkpoint

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("setting, threads", [("1", 1), ("3", 3), (" 4 ", 4), ("4,2", 4)])
def test_the_number_of_threads_is_what_openmp_would_take(setting, threads, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", setting)
    assert chainer_cpu.count_threads() == threads


@pytest.mark.parametrize("setting", ["0", "-1", "100000", "two", "2.5", ",2"])
def test_a_number_of_threads_that_cannot_be_is_an_error(setting, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", setting)
    with pytest.raises(SettingError, match=f"OMP_NUM_THREADS is '{setting}', not a number of"):
        F.relu(np.ones(3, np.float32))


@pytest.mark.parametrize("setting", [None, ""])
def test_otherwise_it_is_what_the_process_may_use_quota_included(setting, monkeypatch):
    monkeypatch.setattr(_threads.loky, "cpu_count", lambda: 3)
    _threads._count.cache_clear()
    _threads._processors.cache_clear()
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if setting is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", setting)
    try:
        assert chainer_cpu.count_threads() == 3
    finally:
        _threads._count.cache_clear()
        _threads._processors.cache_clear()


WITHOUT_SHARED_MEMORY = """
import _multiprocessing
class Refused:
    SEM_VALUE_MAX = 1
    def __init__(self, *arguments, **named):
        raise PermissionError(13, "Permission denied")
_multiprocessing.SemLock = Refused
import chainer_cpu
print(chainer_cpu.count_processors())
import joblib
print(joblib.cpu_count())
"""


def test_without_shared_memory_all_processors_are_counted_and_nothing_is_warned_of():
    """As in a container whose /dev/shm cannot be written to. joblib itself then counts one."""
    done = subprocess.run([sys.executable, "-W", "error", "-c", WITHOUT_SHARED_MEMORY], cwd=ROOT,
                          capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == [str(joblib.cpu_count()), "1"]


def test_the_environment_of_a_run_names_the_threads_that_compute(monkeypatch):
    """OPENBLAS_NUM_THREADS, the number of NumPy's BLAS, changes no bit of a run."""
    found = []
    for threads in ("2", "3"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        found.append(checkpoint.environment()["blas"])
    assert found[0].endswith(", 2 threads") and found[1].endswith(", 3 threads")


STEPS = """
import time, numpy as np
from chainer_cpu import functions as F
x, W = np.ones((400, 400), np.float32), np.ones((400, 400), np.float32)
def steps():
    begin = time.process_time()
    for _ in range(60):
        F.relu(F.linear(F.relu(F.linear(x, W)), W))
    return time.process_time() - begin
print(min(steps() for _ in range(3)))
"""


def cpu_time(threads):
    return float(subprocess.run(
        [sys.executable, "-c", STEPS], cwd=ROOT, capture_output=True, text=True, check=True,
        env={**os.environ, "OMP_NUM_THREADS": str(threads)}).stdout)


def test_more_threads_than_processors_cost_no_more_time():
    """8 threads on 2 processors once cost six times as much: each waited for those that slept."""
    # One try of three is enough: other tests run beside this one.
    assert any(cpu_time(64) < 1.3 * cpu_time(chainer_cpu.count_processors()) for _ in range(3))


BUSY = """
import os, statistics, time, numpy as np
from chainer_cpu import functions as F
x = W = np.ones((400, 400), np.float32)
def cost(threads):
    os.environ["OMP_NUM_THREADS"] = threads
    begin = time.process_time()
    for _ in range(10):
        F.relu(F.linear(F.relu(F.linear(x, W)), W))
    return time.process_time() - begin
cost("2"), cost("1")
for _ in range(3):  # once is enough: other tests run beside this one
    ratio = statistics.median(cost("2") / cost("1") for _ in range(15))
    if ratio < 1.15:
        break
print(ratio)
"""


def test_beside_processes_that_compute_two_threads_cost_what_one_does():
    """They once cost 1.7 times as much: helpers without work slept no sooner than the caller."""
    work = f"import os\nwhile os.getppid() == {os.getpid()}: sum(range(10**5))"
    neighbours = [subprocess.Popen([sys.executable, "-c", work])
                  for _ in range(max(2, chainer_cpu.count_processors()))]
    try:
        ratio = float(subprocess.check_output([sys.executable, "-c", BUSY], cwd=ROOT))
    finally:
        for neighbour in neighbours:
            neighbour.kill()
            neighbour.wait()
    assert ratio < 1.15


@pytest.mark.parametrize("command", ["trainer", "plot"])
def test_a_command_names_the_variable_in_one_line(command, cli, tiny_run, monkeypatch, capsys):
    monkeypatch.setenv("OMP_NUM_THREADS", "0")
    if command == "trainer":
        code, _, err = cli("--data", "digits", "--epochs", "1")
    else:
        code = plot.main(["samples", str(tiny_run)])
        err = capsys.readouterr().err
    assert code == (2 if command == "trainer" else 1)
    assert err == (f"{command}.py: error: OMP_NUM_THREADS is '0', not a number of threads from 1 "
                   "to 1024; set it so, or unset it\n")


PROGRAM = """
from types import SimpleNamespace
from lab import networks
both = networks.build(SimpleNamespace(z_dim=10, channels=1, size={size}, sizes="{maps}"))
print({{param.dtype.name for network in both for param in network.params()}})
"""


@pytest.mark.parametrize("size, maps", [(28, "listing"), (32, "256")])
def test_networks_are_float32_whatever_chainers_variable_says(size, maps):
    done = subprocess.run([sys.executable, "-c", PROGRAM.format(size=size, maps=maps)], cwd=ROOT,
                          text=True, capture_output=True,
                          env={**os.environ, "CHAINER_DTYPE": "float16"})
    assert (done.stdout, done.stderr) == ("{'float32'}\n", "")


def test_a_dtype_that_chainer_does_not_have_is_one_line():
    done = subprocess.run([sys.executable, "trainer.py"], cwd=ROOT, text=True, capture_output=True,
                          env={**os.environ, "CHAINER_DTYPE": "float8"})
    assert (done.returncode, done.stderr) == (
        1, "trainer.py: error: Chainer has no such dtype (CHAINER_DTYPE, float8); unset it\n")


@pytest.mark.parametrize("program, said", [
    (["trainer.py", "--help"], "trainer.py: error: nothing can be compiled (NUMBA_DISABLE_JIT, 1)"),
    (["-c", "from chainer_cpu import functions"], "SettingError: NUMBA_DISABLE_JIT is '1', not 0"),
])
def test_without_a_compiler_the_variable_is_named(program, said):
    done = subprocess.run([sys.executable, *program], cwd=ROOT, text=True, capture_output=True,
                          env={**os.environ, "NUMBA_DISABLE_JIT": "1"})
    assert done.returncode == 1 and said in done.stderr.splitlines()[-1]
